import { id } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { liesRight, provedPools } from '../../../../agent/dex/discovery/origin.ts'
import { codeHash } from '../../../../agent/dex/trade/code-hash.ts'
import { profileOf } from '../../../../src/fleet/chain-profile.ts'
import type { PoolFactory, PoolInfo } from '../../../../src/protocol/chain.ts'
import { type Address, address, type Hex } from '../../../../src/protocol/units.ts'
import { type Bench, startBench } from '../../../fixtures/dex/bench.ts'
import { startV4, type V4Bench } from '../../../fixtures/dex/v4.ts'

const committed = new URL('../../../../config/chains', import.meta.url).pathname

let bench: Bench
let v4: V4Bench
let tokens: [Address, Address]
let pools: Record<'v2' | 'v3' | 'other' | 'v4', PoolInfo>
let factories: Record<'v2' | 'v3' | 'v4', PoolFactory>

beforeAll(async () => {
  bench = await startBench()
  v4 = await startV4(bench)
  tokens = [await bench.token(18), await bench.token(18)]
  pools = {
    v2: await bench.pair(...tokens),
    v3: await bench.pool(...tokens, 3000),
    other: await bench.pool(...tokens, 500),
    v4: v4.pool(...tokens, 500, 10),
  }
  const maker = async (pool: PoolInfo): Promise<Address> => {
    const call = { to: pool.address, data: id('factory()').slice(0, 10) }
    return address(`0x${(await bench.rpc.request<Hex>('eth_call', [call, 'latest'])).slice(-40)}`)
  }
  factories = {
    v2: { kind: 'v2', dex: 'uniswap_v2', address: await maker(pools.v2), fromBlock: 0 },
    v3: { kind: 'v3', dex: 'uniswap_v3', address: await maker(pools.v3), fromBlock: 0 },
    v4: { kind: 'v4', dex: 'uniswap_v4', address: v4.manager, fromBlock: 0 },
  }
})
afterAll(() => bench?.stop())

const proved = async (some: readonly PoolInfo[], by: readonly PoolFactory[] = Object.values(factories)) =>
  provedPools(bench.rpc, some, by, (await bench.head()).hash)

test('what a factory names as its own is proved, each with the hash of its code, which no two V3 pools share', async () => {
  const found = await proved(Object.values(pools))
  expect(found.map(({ pool }) => pool)).toEqual(Object.values(pools))
  expect(found.map(({ codeKey }) => codeKey)).toEqual(['v2_pair', 'v3_pool', 'v3_pool', 'v4_manager'])
  expect(found[1]?.codeHash).not.toBe(found[2]?.codeHash)
  for (const { pool, codeHash: hash } of found)
    expect(hash).toBe(await codeHash(bench.rpc, pool.manager ?? (pool.address as Address)))
})

test('a pool of another fee, of a stranger’s factory or manager, or that lies elsewhere is not proved', async () => {
  const elsewhere = { ...pools.v3, address: pools.other.address }
  const stranger = { ...factories.v3, address: factories.v2.address }
  expect(await proved([{ ...pools.v3, feePips: 500 }, elsewhere])).toEqual([])
  expect(await proved([pools.v3], [{ ...factories.v3, dex: 'sushi_v3' }])).toEqual([])
  expect(await proved([{ ...pools.v4, manager: tokens[0] }])).toEqual([])
  // A pair's factory knows no pool: the question itself fails.
  await expect(proved([pools.v3], [stranger])).rejects.toThrow()
})

test('what a profile says of its pools’ creation or code must hold too', async () => {
  const real = '0xe34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54'
  const other = `0x${'00'.repeat(32)}` as const
  const hash = await codeHash(bench.rpc, pools.v3.address as Address)
  const by = async (over: Partial<PoolFactory>) => (await proved([pools.v3], [{ ...factories.v3, ...over }])).length
  expect(await by({ poolInitCodeHash: real })).toBe(1)
  expect(await by({ poolInitCodeHash: other })).toBe(0)
  expect(await by({ poolInitCodeHash: real, poolDeployer: tokens[0] })).toBe(0)
  expect(await by({ poolCodeHash: hash })).toBe(1)
  expect(await by({ poolCodeHash: other })).toBe(0)
})

test.each([
  [1, 'uniswap_v2', 'WETH', 'USDC', 3000, '0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc'],
  [1, 'sushi_v2', 'WETH', 'USDC', 3000, '0x397ff1542f962076d0bfe58ea045ffa2d347aca0'],
  [1, 'uniswap_v3', 'WETH', 'USDC', 500, '0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640'],
  [1, 'pancake_v3', 'WETH', 'USDC', 500, '0x1ac1a8feaaea1900c4166deeed0c11cc10669d36'],
  [42_161, 'uniswap_v2', 'WETH', 'USDC', 3000, '0xf64dfe17c8b87f012fcf50fbda1d62bfa148366a'],
  [42_161, 'sushi_v2', 'WETH', 'USDC.e', 3000, '0x905dfcd5649217c42684f23958568e533c711aa3'],
  [42_161, 'uniswap_v3', 'WETH', 'USDC.e', 500, '0xc31e54c7a869b9fcbecc14363cf510d1c41fa443'],
  [8_453, 'uniswap_v2', 'WETH', 'USDC', 3000, '0x88a43bbdf9d098eec7bceda4e2494615dfd9bb9c'],
  [8_453, 'uniswap_v3', 'WETH', 'USDC', 500, '0xd0b53d9277642d899df5c87a3966a349a798f224'],
  [8_453, 'pancake_v3', 'WETH', 'USDC', 100, '0x72ab388e2e2f6facef59e3c3fa2c4e29011c2d38'],
] as const)(
  'on chain %i the pool of %s between %s and %s lies where its profile says',
  (chainId, dex, a, b, feePips, at) => {
    const { factories: makers, tokens: named } = profileOf(chainId, committed)
    const maker = makers.find((factory) => factory.dex === dex) as PoolFactory
    const [token0, token1] = [named[a]?.address as Address, named[b]?.address as Address].sort() as [Address, Address]
    const pool: PoolInfo = { kind: maker.kind, dex, address: at, token0, token1, feePips }
    expect(maker.poolInitCodeHash).toBeDefined()
    expect(liesRight(pool, maker)).toBe(true)
    expect(liesRight({ ...pool, address: maker.address }, maker)).toBe(false)
  },
)
