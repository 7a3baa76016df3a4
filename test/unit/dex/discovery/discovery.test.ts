import { id } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DiscoveryQuestion, discoverPools } from '../../../../agent/dex/discovery/discovery.ts'
import { sqrtPriceAtTick } from '../../../../agent/dex/pools/v3-math/tick-math.ts'
import { RpcError } from '../../../../agent/dex/rpc/error.ts'
import type { Rpc } from '../../../../agent/dex/rpc.ts'
import { NewPools } from '../../../../agent/market/new-pools.ts'
import type { ChainInfo, PoolFactory, PoolInfo, TokenInfo } from '../../../../src/protocol/chain.ts'
import { type Address, address, type Hex, wei } from '../../../../src/protocol/units.ts'
import { type Bench, startBench, TESTER } from '../../../fixtures/dex/bench.ts'
import { startV4, type V4Bench } from '../../../fixtures/dex/v4.ts'

const ETHER = 10n ** 18n
let bench: Bench
let v4: V4Bench
let weth: Address
let usd: Address
let other: Address
let lone: Address
let pools: Record<'deep' | 'shallow' | 'v3' | 'between' | 'priced' | 'v4' | 'empty', PoolInfo>
let factories: PoolFactory[]

beforeAll(async () => {
  bench = await startBench()
  v4 = await startV4(bench)
  ;[weth, usd, other, lone] = [await bench.token(18), await bench.token(6), await bench.token(8), await bench.token(18)]
  pools = {
    deep: await bench.pair(weth, usd),
    shallow: await bench.pair(weth, other),
    v3: await bench.pool(weth, lone, 3000),
    between: await bench.pair(other, lone),
    priced: await bench.pair(usd, lone),
    v4: v4.pool(weth, usd, 500, 10),
    empty: await bench.pool(weth, usd, 500),
  }
  const fill = (pool: PoolInfo, amounts: Record<Address, bigint>) =>
    TESTER.encodeFunctionData('fillPair', [pool.address, amounts[pool.token0], amounts[pool.token1]])
  await bench.mine([
    fill(pools.deep, { [weth]: 100n * ETHER, [usd]: 200_000n * 10n ** 6n }),
    fill(pools.shallow, { [weth]: ETHER / 100n, [other]: 10n ** 8n }),
    fill(pools.between, { [other]: 10n ** 12n, [lone]: 10n ** 22n }),
    fill(pools.priced, { [usd]: 40_000n * 10n ** 6n, [lone]: 10n ** 20n }),
    TESTER.encodeFunctionData('tickOfFreshPool', [pools.v3.address, sqrtPriceAtTick(0)]),
    TESTER.encodeFunctionData('addLiquidity', [pools.v3.address, -600, 600, 1_000n * ETHER]),
  ])
  await v4.mine([
    v4.encode('initialize', pools.v4, sqrtPriceAtTick(0)),
    v4.encode('change', pools.v4, -600, 600, 50n * ETHER),
  ])
  const maker = async (pool: PoolInfo): Promise<Address> => {
    const data = id('factory()').slice(0, 10)
    const answer = await bench.rpc.request<Hex>('eth_call', [{ to: pool.address, data }, 'latest'])
    return address(`0x${answer.slice(-40)}`)
  }
  factories = [
    { kind: 'v2', dex: 'uniswap_v2', address: await maker(pools.deep), feePips: 3000, fromBlock: 0 },
    { kind: 'v3', dex: 'uniswap_v3', address: await maker(pools.v3), fromBlock: 3 },
    { kind: 'v4', dex: 'uniswap_v4', address: v4.manager, fromBlock: 0 },
  ]
})
afterAll(() => bench?.stop())

const ask = async (over: Partial<DiscoveryQuestion> = {}, rpc: Rpc = bench.rpc) =>
  discoverPools(rpc, {
    ...{ factories, bases: [weth, usd], minDepthWei: wei(0n), fromBlock: 0 },
    toBlock: Number((await bench.head()).number),
    ...over,
  })
const ids = (found: readonly PoolInfo[]) => found.map((pool) => pool.address).sort()
const named = (...names: (keyof typeof pools)[]) => names.map((name) => pools[name].address as Hex).sort()

test('factories’ logs give every pool with its block, and its tokens with symbol and decimals', async () => {
  const { pools: found, tokens } = await ask()
  expect(ids(found)).toEqual(named('deep', 'shallow', 'v3', 'between', 'priced', 'v4', 'empty'))
  for (const pool of found) {
    const { createdBlock, ...description } = pool
    expect(createdBlock).toBeGreaterThan(0)
    expect(Object.values(pools)).toContainEqual(description)
  }
  expect(tokens.find((token) => token.address === usd)).toEqual({ address: usd, symbol: 'T', decimals: 6 })
  expect(tokens).toHaveLength(4)
})

test('the allow list keeps pools of two named tokens; depth is measured in the base token, and priced where it is not native', async () => {
  expect(ids((await ask({ allowTokens: [weth, usd] })).pools)).toEqual(named('deep', 'v4', 'empty'))
  expect(ids((await ask({ minDepthWei: wei(ETHER) })).pools)).toEqual(named('deep', 'v3', 'priced', 'v4'))
  // 40,000 of a token at 2,000 to the native one: 20.
  expect(ids((await ask({ minDepthWei: wei(19n * ETHER) })).pools)).toEqual(named('deep', 'v3', 'priced', 'v4'))
  expect(ids((await ask({ minDepthWei: wei(21n * ETHER) })).pools)).toEqual(named('deep', 'v3', 'v4'))
  const listed = await ask({ allowTokens: [weth, other, lone], minDepthWei: wei(ETHER) })
  expect(ids(listed.pools)).toEqual(named('v3', 'between'))
})

/** A node that gives logs of at most `most` blocks at once. */
const limited = (most: number, asked: number[] = []): Rpc => ({
  ...bench.rpc,
  subscribe: bench.rpc.subscribe.bind(bench.rpc),
  async request<T>(method: string, params: readonly unknown[] = []): Promise<T> {
    if (method === 'eth_getLogs') {
      const { fromBlock, toBlock } = params[0] as { fromBlock: Hex; toBlock: Hex }
      const blocks = Number(toBlock) - Number(fromBlock) + 1
      asked.push(blocks)
      if (blocks > most) throw new RpcError(method, { code: -32005, message: 'query exceeds max block range' })
    }
    return bench.rpc.request<T>(method, params)
  },
})

test('a range that the node refuses is halved until it takes it, and every block is looked at once', async () => {
  const asked: number[] = []
  const progress: number[] = []
  const found = await ask({ onProgress: ({ blocks }) => progress.push(blocks) }, limited(3, asked))
  expect(ids(found.pools)).toEqual(ids((await ask()).pools))
  expect(asked.some((blocks) => blocks > 3)).toBe(true)
  const head = Number((await bench.head()).number)
  expect(progress.at(-1)).toBe(head + 1 + (head - 2) + head + 1)
})

test('a V2 factory whose logs are refused is asked for its list; a V3 factory’s refusal is told', async () => {
  const found = await ask({ factories: factories.slice(0, 1) }, limited(0))
  expect(ids(found.pools)).toEqual(named('deep', 'shallow', 'between', 'priced'))
  await expect(ask({}, limited(0))).rejects.toMatchObject({ code: 'chain_refused' })
})

test('pools that appear while it runs are taken in once, and shallow ones when they have become deep', async () => {
  const added: [PoolInfo[], TokenInfo[]][] = []
  const chain = { pools: Object.values(pools), tokens: [] as TokenInfo[] } as unknown as ChainInfo
  const source = { factories, bases: [weth, usd], minDepthWei: wei(ETHER) }
  const newPools = new NewPools({
    ...{ rpc: bench.rpc, chain, source, log: () => undefined },
    followed: () => [pools.deep],
    add: async (some) => [...some],
    onAdded: (some, tokens) => added.push([some.map(({ pool }) => pool), tokens]),
  })
  const look = async () => {
    const { number, hash, parentHash } = await bench.head()
    await newPools.look({ number: Number(number), hash, parentHash })
  }
  await look()
  expect(added).toEqual([])
  const fresh = await bench.token(18)
  const pair = await bench.pair(weth, fresh)
  await look()
  expect(added).toEqual([])
  // Of a base token that no new pool prices: those that are followed do. 10,000 of it are 5 ETH.
  const inUsd = await bench.pair(usd, fresh)
  const fill = (at: PoolInfo, base: bigint) =>
    TESTER.encodeFunctionData('fillPair', [at.address, ...(at.token0 === fresh ? [ETHER, base] : [base, ETHER])])
  await bench.mine([fill(pair, 5n * ETHER), fill(inUsd, 10_000n * 10n ** 6n)])
  for (let block = 0; block < 32; block++) await bench.mine([])
  await look()
  await look()
  expect(added.flatMap(([some]) => ids(some)).sort()).toEqual([pair.address, inUsd.address].sort())
  expect(added.flatMap(([, tokens]) => tokens.map((token) => token.address)).sort()).toEqual([weth, usd, fresh].sort())
})
