import { Interface, keccak256 } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lenderLiquidity } from '../../../agent/dex/lending/lender-liquidity.ts'
import { loadPools } from '../../../agent/dex/pools/load.ts'
import { evaluate } from '../../../agent/dex/search/size.ts'
import { encodeExecute } from '../../../agent/dex/trade/build.ts'
import { loadArtefacts } from '../../../agent/sandbox/artefacts.ts'
import { Deployer } from '../../../agent/sandbox/deployer.ts'
import { PREMIUM_BPS } from '../../../agent/sandbox/market-layout.ts'
import type { PoolKind } from '../../../src/protocol/trade.ts'
import type { Address, Hex, Raw } from '../../../src/protocol/units.ts'
import { rootPrice, startMarket, type TestMarket } from '../../fixtures/market.ts'
import { findTrades, planOf, trade } from '../../fixtures/trades.ts'

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

test('the market has 24 pools of four venues and four fee tiers, each with liquidity at its price', async () => {
  const { market, rpc } = test1
  const head = await rpc.request<{ hash: Hex; number: string; gasLimit: string }>('eth_getBlockByNumber', [
    'latest',
    false,
  ])
  const pools = await loadPools(rpc, market.pools, head.hash)

  expect(pools).toHaveLength(24)
  expect(new Set(pools.map((pool) => pool.dex))).toEqual(
    new Set(['uniswap_v2', 'sushi_v2', 'uniswap_v3', 'uniswap_v4']),
  )
  const feesOf = (kind: PoolKind) => pools.filter((pool) => pool.kind === kind).map((pool) => pool.feePips)
  expect(new Set(feesOf('v3'))).toEqual(new Set([500, 3_000, 10_000]))
  expect(feesOf('v4')).toEqual([500, 3_000, 500, 100])
  expect(new Set(pools.map((pool) => pool.address)).size).toBe(24)
  for (const pool of pools) {
    expect(pool.token0 < pool.token1).toBe(true)
    if (pool.kind === 'v2') expect(pool.reserve0 * pool.reserve1).toBeGreaterThan(0n)
    else expect(pool.liquidity).toBeGreaterThan(0n)
    expect(pool.address).toHaveLength(pool.kind === 'v4' ? 66 : 42)
  }
  // One block made it, and blocks are as large as on a real chain again.
  expect(head.number).toBe('0x1')
  expect(new Set(market.pools.map((pool) => pool.createdBlock))).toEqual(new Set([1]))
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
    const price = rootPrice(pool)
    expect(Math.abs(price / fair - 1)).toBeLessThan(1e-6)
  })
})

test('tokens are what the market says they are, the first two are bases, and Aave asks 5 basis points', async () => {
  const { market } = test1
  const [lender] = market.lenders
  expect(market.bases).toEqual(market.tokens.slice(0, 2).map((token) => token.address))
  expect(market.tokens[1]?.symbol).toBe('USDC')
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
  expect(codeHashes.v4_manager).toHaveLength(1) // one contract holds all pools of V4
  expect(codeHashes.token).toHaveLength(2) // WETH9, and all the others
  expect(codeHashes.aave_v3_pool).toHaveLength(1)
  expect(codeHashes.balancer_v2_pool).toHaveLength(1)
  expect(new Set([...Object.values(codeHashes).flat(), executor.codeHash]).size).toBe(15)
})

test('both lenders have enough of every token for any trade, and what they lend comes back with the premium that the market says', async () => {
  const { market, rpc, owner, executor, send } = test1
  expect(market.lenders.map((lender) => [lender.kind, lender.premiumBps])).toEqual([
    ['aave_v3', PREMIUM_BPS],
    ['balancer_v2', 0],
  ])
  for (const [index, lender] of market.lenders.entries()) {
    const head = await rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
    for (const token of market.tokens) {
      const dollars = { WETH: 3_000, WBTC: 60_000, LINK: 15, UNI: 8 }[token.symbol] ?? 1
      const least = (10_000_000n * 10n ** BigInt(token.decimals)) / BigInt(dollars)
      expect(await lenderLiquidity(rpc, lender, token.address, head.hash)).toBeGreaterThan(least)
    }
    await trade(test1, `lender ${index}`, 15)
    const [best] = await findTrades(test1)
    const now = await rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
    const states = new Map((await loadPools(rpc, market.pools, now.hash)).map((pool) => [pool.address, pool]))
    const sized = evaluate(best?.hops ?? [], states, best?.sizeRaw as Raw, lender)
    const plan = planOf(test1, sized, `lender ${index}`, { lender, minProfitRaw: sized.profitRaw })
    const held = (await ask(market.weth, 'balanceOf', [owner])) as bigint
    const { status } = await send(executor, market.executor.address, encodeExecute(plan, 1_000))
    expect(status).toBe('0x1')
    expect(await ask(market.weth, 'balanceOf', [owner])).toBe(held + sized.profitRaw)
  }
})

test('a deployment that fails is named, and so is one that the file does not hold', async () => {
  const { rpc, market } = test1
  const deployer = await Deployer.open(rpc, loadArtefacts())
  deployer.call(market.weth, 'deposit()', [], 1n)
  deployer.call(market.weth, 'transfer(address,uint256)', [market.desk, 2n])
  await expect(deployer.settle()).rejects.toThrow(/transfer\(address,uint256\) failed/)
  expect(() => deployer.deploy('Nothing')).toThrow(/the contract Nothing is not in the sandbox's file/)
})

test("the file knows ArbExecutor's code on the chain from any other", async () => {
  const { rpc, market } = test1
  const artefacts = loadArtefacts()
  const codeAt = (at: Address) => rpc.request<Hex>('eth_getCode', [at, 'latest'])
  expect(artefacts.isCodeOf('ArbExecutor', await codeAt(market.executor.address))).toBe(true)
  expect(artefacts.isCodeOf('ArbExecutor', await codeAt(market.desk))).toBe(false)
  expect(artefacts.codeHash('ArbExecutor')).toBe(keccak256(artefacts.runtime('ArbExecutor')))
  const { map, sources } = artefacts.sourceMap('ArbExecutor')
  expect(sources).toContain('ArbExecutor.sol')
  expect(map.split(';').length).toBeGreaterThan(1_000)
  expect(() => artefacts.runtime('Vault')).toThrow(/not kept/)
})
