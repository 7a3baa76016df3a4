import { Interface } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadPools } from '../../../agent/dex/load.ts'
import { PREMIUM_BPS } from '../../../agent/sandbox/market-layout.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { startMarket, type TestMarket } from '../../fixtures/market.ts'

const face = new Interface([
  'function balanceOf(address) view returns (uint256)',
  'function FLASHLOAN_PREMIUM_TOTAL() view returns (uint128)',
  'function owner() view returns (address)',
  'function isExecutor(address) view returns (bool)',
  'function symbol() view returns (string)',
  'function decimals() view returns (uint8)',
  'function getPair(address, address) view returns (address)',
])

let test1: TestMarket
const ask = async (to: Address, name: string, args: unknown[] = []) => {
  const data = face.encodeFunctionData(name, args)
  const returned = await test1.rpc.request<Hex>('eth_call', [{ to, data }, 'latest'])
  return face.decodeFunctionResult(name, returned)[0] as unknown
}

beforeAll(async () => {
  test1 = await startMarket('test-market')
})
afterAll(() => test1.stop())

test('the market has twenty pools of three venues and three V3 fee tiers, each with liquidity at its price', async () => {
  const { market, rpc } = test1
  const head = await rpc.request<{ hash: Hex; number: string; gasLimit: string }>('eth_getBlockByNumber', [
    'latest',
    false,
  ])
  const pools = await loadPools(rpc, market.pools, head.hash)

  expect(pools).toHaveLength(20)
  expect(new Set(pools.map((pool) => pool.dex))).toEqual(new Set(['uniswap_v2', 'sushi_v2', 'uniswap_v3']))
  expect(new Set(pools.flatMap((pool) => (pool.kind === 'v3' ? [pool.feePips] : [])))).toEqual(
    new Set([500, 3_000, 10_000]),
  )
  expect(new Set(pools.map((pool) => pool.address)).size).toBe(20)
  for (const pool of pools) {
    expect(pool.token0 < pool.token1).toBe(true)
    if (pool.kind === 'v2') expect(pool.reserve0 * pool.reserve1).toBeGreaterThan(0n)
    else expect(pool.liquidity).toBeGreaterThan(0n)
  }
  // One block made it, and blocks are as large as on a real chain again.
  expect(head.number).toBe('0x1')
  await rpc.request('evm_mine', [])
  const next = await rpc.request<{ gasLimit: string }>('eth_getBlockByNumber', ['latest', false])
  expect(BigInt(next.gasLimit)).toBe(30_000_000n)
})

test('all pools of a pair start at one price, so that nothing can be earned before somebody trades', async () => {
  const { market, rpc } = test1
  const head = await rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
  const pools = await loadPools(rpc, market.pools, head.hash)
  pools.forEach((pool, index) => {
    const fair = Number(market.deployed[index]?.fairSqrtPriceX96) / 2 ** 96
    const price =
      pool.kind === 'v2'
        ? Math.sqrt(Number(pool.reserve1) / Number(pool.reserve0))
        : Number(pool.sqrtPriceX96) / 2 ** 96
    expect(Math.abs(price / fair - 1)).toBeLessThan(1e-6)
  })
})

test('tokens are what the market says they are, and Aave holds some of each to lend at 5 basis points', async () => {
  const { market } = test1
  const [lender] = market.lenders
  expect(market.tokens[0]).toEqual({ address: market.weth, symbol: 'WETH', decimals: 18 })
  for (const token of market.tokens) {
    expect(await ask(token.address, 'symbol')).toBe(token.symbol)
    expect(await ask(token.address, 'decimals')).toBe(BigInt(token.decimals))
  }
  expect(await ask(lender?.address as Address, 'FLASHLOAN_PREMIUM_TOTAL')).toBe(BigInt(PREMIUM_BPS))
  expect(lender?.premiumBps).toBe(PREMIUM_BPS)
})

test('the executor contract belongs to the cold owner, obeys the executors given and holds nothing', async () => {
  const { market, owner, executor, stranger } = test1
  expect(String(await ask(market.executor.address, 'owner')).toLowerCase()).toBe(owner)
  expect(await ask(market.executor.address, 'isExecutor', [executor])).toBe(true)
  expect(await ask(market.executor.address, 'isExecutor', [owner])).toBe(false)
  expect(await ask(market.executor.address, 'isExecutor', [stranger])).toBe(false)
  expect(await ask(market.weth, 'balanceOf', [market.executor.address])).toBe(0n)
})

test('code hashes name every kind of contract on a route', () => {
  const { codeHashes, executor } = test1.market
  expect(codeHashes.v2_pair).toHaveLength(1)
  expect(codeHashes.v3_pool).toHaveLength(8) // a V3 pool carries its tokens in its code
  expect(codeHashes.token).toHaveLength(2) // WETH9, and all the others
  expect(codeHashes.aave_v3_pool).toHaveLength(1)
  expect(executor.codeHash).toMatch(/^0x[0-9a-f]{64}$/)
})
