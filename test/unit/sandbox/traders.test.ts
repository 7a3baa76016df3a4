import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadPools } from '../../../agent/dex/pools/load.ts'
import { findCycles } from '../../../agent/dex/search/cycles.ts'
import { bestSize } from '../../../agent/dex/search/size.ts'
import { driftPpm, ordersAt } from '../../../agent/sandbox/traders.ts'
import type { Lender, PoolState } from '../../../src/protocol/trade.ts'
import { type Address, type Hex, raw } from '../../../src/protocol/units.ts'
import { rootPrice, startMarket, type TestMarket } from '../../fixtures/market.ts'
import { findTrades, trade } from '../../fixtures/trades.ts'

/** A trade over two hops at the sandbox's base fee. */
const GAS_WEI = 320_000n * 1_000_000_000n

let world: TestMarket
beforeAll(async () => {
  world = await startMarket('test-traders')
})
afterAll(() => world?.stop())

test('orders depend on seed and block alone, and name each pool at most once', () => {
  const pools = world.market.deployed
  for (let block = 2; block < 500; block++) {
    const orders = ordersAt('seed', block, pools)
    expect(ordersAt('seed', block, pools)).toEqual(orders)
    expect(new Set(orders.map((order) => order.pool)).size).toBe(orders.length)
    expect(orders.length).toBeGreaterThanOrEqual(4)
  }
  expect(ordersAt('seed', 7, pools)).not.toEqual(ordersAt('seed', 8, pools))
  expect(ordersAt('seed', 7, pools)).not.toEqual(ordersAt('other', 7, pools))
})

test('what the market thinks of a token moves every block, slowly, and never leaves 4 % of its start', () => {
  for (const symbol of ['WETH', 'USDC', 'UNI']) {
    let before = driftPpm('seed', symbol, 0)
    for (let block = 1; block < 3_000; block++) {
      const drift = driftPpm('seed', symbol, block)
      expect(Math.abs(drift)).toBeLessThan(40_000)
      expect(Math.abs(drift - before)).toBeLessThan(2_000)
      before = drift
    }
  }
})

test('every order brings its pool to its price', async () => {
  const { rpc, market } = world
  await trade(world, 'price', 1)
  const head = await rpc.request<{ hash: Hex; number: string }>('eth_getBlockByNumber', ['latest', false])
  const pools = await loadPools(rpc, market.pools, head.hash)
  const orders = ordersAt('price', Number(head.number), market.deployed)
  for (const { pool: index, offsetPpm } of orders) {
    const pool = pools[index]
    const fair = Number(market.deployed[index]?.fairSqrtPriceX96) / 2 ** 96
    const root = rootPrice(pool as PoolState)
    // A pair keeps its fee, which bends its price a little.
    expect(Math.abs((root / fair) ** 2 - (1 + offsetPpm / 1e6))).toBeLessThan(2e-4)
  }
})

test('no block of orders fails, or comes near the gas that it is given', async () => {
  for (const hash of await trade(world, 'gas', 60)) {
    const receipt = await world.rpc.request<{ status: string; gasUsed: string }>('eth_getTransactionReceipt', [hash])
    expect(receipt.status).toBe('0x1')
    expect(Number(receipt.gasUsed)).toBeLessThan(2_000_000)
  }
})

test('with nobody taking the profit, nearly every block offers a trade that is worth its gas, and no price runs away', async () => {
  let offered = 0
  const rounds = 6
  for (let round = 0; round < rounds; round++) {
    await trade(world, 'offer', 12)
    const [best] = await findTrades(world)
    if (best !== undefined && best.profitRaw > 2n * GAS_WEI) offered++
  }
  expect(offered).toBeGreaterThanOrEqual(rounds - 1)
  const head = await world.rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
  for (const [index, pool] of (await loadPools(world.rpc, world.market.pools, head.hash)).entries()) {
    const fair = Number(world.market.deployed[index]?.fairSqrtPriceX96) / 2 ** 96
    const root = rootPrice(pool)
    expect(Math.abs((root / fair) ** 2 - 1)).toBeLessThan(0.1)
  }
})

test('traders trade in V4 pools too, and never push a pool out of the range of its positions', async () => {
  const { market } = world
  const before = await statesNow()
  const touched = new Set<string>()
  for (let round = 0; round < 5; round++) {
    await trade(world, 'range', 30)
    for (const [at, pool] of (await statesNow()).entries()) {
      if (pool.kind === 'v2') continue
      // Outermost ticks are where the widest position ends.
      const ends = Object.keys(pool.ticks ?? {}).map(Number)
      expect(pool.tick).toBeGreaterThan(Math.min(...ends))
      expect(pool.tick).toBeLessThan(Math.max(...ends))
      expect(pool.liquidity).toBeGreaterThan(0n)
      if (rootPrice(pool) !== rootPrice(before[at] as PoolState)) touched.add(pool.address)
    }
  }
  const v4 = market.pools.filter((pool) => pool.kind === 'v4')
  for (const pool of v4) expect(touched).toContain(pool.address)
})

test('trades through V4 pay, and so do some that begin and end with USDC and never hold WETH', async () => {
  const { market } = world
  const [weth, usdc] = market.bases
  let [throughV4, withoutWeth] = [0, 0]
  for (let round = 0; round < 5; round++) {
    await trade(world, 'kinds', 8)
    const states = new Map((await statesNow()).map((pool) => [pool.address, pool]))
    const paying = (base: Address | undefined) =>
      findCycles(market.pools, base as Address, 3).filter((cycle) => {
        const sized = bestSize(cycle, states, { lender: market.lenders[1] as Lender, maxRaw: raw(10n ** 24n) })
        return sized !== undefined && sized.profitRaw > 0n
      })
    if (paying(weth).some((cycle) => cycle.some((hop) => hop.kind === 'v4'))) throughV4++
    if (paying(usdc).some((cycle) => cycle.every((hop) => hop.tokenOut !== weth))) withoutWeth++
  }
  expect(throughV4).toBeGreaterThanOrEqual(4)
  expect(withoutWeth).toBeGreaterThanOrEqual(2)
})

async function statesNow(): Promise<PoolState[]> {
  const head = await world.rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
  return loadPools(world.rpc, world.market.pools, head.hash)
}
