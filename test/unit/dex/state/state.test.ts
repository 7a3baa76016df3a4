import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RpcBlock } from '../../../../agent/dex/chain-types.ts'
import { loadPools } from '../../../../agent/dex/pools/load.ts'
import { ChainSync, type Moved } from '../../../../agent/dex/state/sync.ts'
import type { PoolInfo } from '../../../../src/protocol/chain.ts'
import { type Bench, seeded, startBench, TESTER } from '../../../fixtures/dex/bench.ts'
import { type Followed, followedMarket, randomTrade } from '../../../fixtures/dex/followed.ts'

let bench: Bench
let infos: PoolInfo[]
let market: Followed
let lines: string[]
const ME = '0x00000000000000000000000000000000000a11ce'

beforeAll(async () => {
  bench = await startBench()
  market = await followedMarket(bench)
  infos = market.infos
})
afterAll(() => bench?.stop())

const follow = async (): Promise<ChainSync> => {
  lines = []
  const log = (level: string, message: string) => lines.push(`${level} ${message}`)
  return ChainSync.start({ rpc: bench.rpc, infos, log }, await bench.head())
}
type Random = ReturnType<typeof seeded>
const trades = (random: Random, most: number) =>
  Array.from({ length: random.int(0, most) }, () => randomTrade(random, infos.slice(0, 4)))
const block = (random: Random): Promise<RpcBlock> => market.block(random)

async function expectFresh(sync: ChainSync): Promise<void> {
  const fresh = await loadPools(bench.rpc, infos, sync.state.head.hash)
  expect(sync.state.states()).toEqual(new Map(fresh.map((pool) => [pool.address, pool])))
}
const moved = async (sync: ChainSync, head: RpcBlock): Promise<Moved> => {
  const done = await sync.moveTo(head)
  if (!done) throw new Error('it did not move')
  expect(sync.state.head.hash).toBe(head.hash)
  return done
}

test('after forty blocks of swaps, mints and burns, the state by logs equals a fresh load, bit for bit', async () => {
  const random = seeded(5)
  const sync = await follow()
  let changed = 0
  for (let turn = 0; turn < 40; turn++) {
    const done = await moved(sync, await block(random))
    if (done.changed === 'all') throw new Error('it read everything anew instead of applying logs')
    changed += done.changed.size
    if (turn % 8 === 7) await expectFresh(sync)
  }
  expect(changed).toBeGreaterThan(60)
  expect(lines).toEqual([])
  const netZero = [...sync.state.states().values()].flatMap((pool) =>
    pool.kind === 'v2' ? [] : Object.values(pool.ticks ?? {}),
  )
  expect(netZero).toContain(0n)
  await sync.stop()
})

test('a pool that no log names keeps its object, so that what was computed from it still holds', async () => {
  const sync = await follow()
  const before = sync.state.states()
  const [first] = infos as [PoolInfo]
  const { head } = await bench.mine([TESTER.encodeFunctionData('fillPair', [first.address, 1000n, 1000n])])
  expect((await moved(sync, head)).changed).toEqual(new Set([first.address]))
  for (const [pool, state] of sync.state.states()) expect(state === before.get(pool)).toBe(pool !== first.address)
  await sync.stop()
})

test('reorgs of depth 1 to 10 under trading: taken back by the journal and applied again, bit for bit', async () => {
  const random = seeded(6)
  const sync = await follow()
  for (let depth = 1; depth <= 10; depth++) {
    for (let turn = 0; turn < depth; turn++) await moved(sync, await block(random))
    // Other trades, spread over the blocks that replace the old ones.
    const others = trades(random, 8).map((data) => [
      { from: ME, to: bench.tester, data, gas: '0x5f5e100', gasPrice: '0x3b9aca00' },
      random.int(0, depth - 1),
    ])
    await bench.rpc.request('anvil_reorg', [depth, others])
    await bench.resync()
    const done = await moved(sync, await bench.head())
    expect(done.changed).not.toBe('all')
    await expectFresh(sync)
    await moved(sync, await block(random))
    await expectFresh(sync)
  }
  expect(lines.filter((line) => line.includes('reorganised'))).toHaveLength(10)
  expect(lines.filter((line) => line.startsWith('warn'))).toEqual([])
  await sync.stop()
})

test('a rollback is seen when a block is built on the ancestor, not before', async () => {
  const random = seeded(7)
  const sync = await follow()
  for (let turn = 0; turn < 4; turn++) await moved(sync, await block(random))
  const at = sync.state.head.hash
  await bench.rpc.request('anvil_rollback', [3])
  await bench.resync()
  expect(await sync.moveTo(await bench.head())).toBeUndefined()
  expect(sync.state.head.hash).toBe(at)
  const head = await block(random)
  expect((await moved(sync, head)).changed).not.toBe('all')
  expect(sync.state.head.number).toBe(Number(head.number))
  await expectFresh(sync)
  await sync.stop()
})

test('missed heads are back-filled; too many of them, or a chain of which nothing is known, are read anew', async () => {
  const random = seeded(8)
  const sync = await follow()
  for (let turn = 0; turn < 12; turn++) await block(random)
  expect((await moved(sync, await bench.head())).changed).not.toBe('all')
  await expectFresh(sync)
  for (let turn = 0; turn < 50; turn++) await bench.mine(trades(random, 2))
  expect((await moved(sync, await bench.head())).changed).toBe('all')
  await expectFresh(sync)
  await sync.stop()
})

test('a node that has pruned the logs of missed blocks and says there are none is not believed', async () => {
  const random = seeded(9)
  const sync = await follow()
  for (let turn = 0; turn < 3; turn++) await bench.mine([randomTrade(random, infos.slice(0, 1))])
  const head = await bench.head()
  const whole = bench.rpc.request.bind(bench.rpc)
  bench.rpc.request = async <T>(method: string, params: readonly unknown[] = []): Promise<T> => {
    const pruned = method === 'eth_getLogs' && (params[0] as { blockHash: string }).blockHash !== head.hash
    return pruned ? ([] as T) : whole<T>(method, params)
  }
  try {
    expect((await moved(sync, head)).changed).toBe('all')
  } finally {
    bench.rpc.request = whole
  }
  await expectFresh(sync)
  await sync.stop()
})

test('a block that the node no longer has is told as stale, and the state stays where it was', async () => {
  const sync = await follow()
  const at = sync.state.head.hash
  const before = sync.state.states()
  const { head } = await bench.mine([TESTER.encodeFunctionData('fillPair', [infos[0]?.address, 1000n, 1000n])])
  await bench.rpc.request('anvil_reorg', [1, []])
  await bench.resync()
  await expect(sync.moveTo(head)).rejects.toMatchObject({ code: 'state_stale', transient: true })
  expect(sync.state.head.hash).toBe(at)
  expect(sync.state.states()).toEqual(before)
  await moved(sync, await bench.head())
  await expectFresh(sync)
  await sync.stop()
})

test('a pool whose state was wrong is found by the audit and mended without a restart, and told with its figures', async () => {
  const random = seeded(10)
  const sync = await follow()
  await moved(sync, await block(random))
  for (const [at, info] of infos.entries()) {
    expect(await sync.audit(info.address)).toBe(true)
    expect(await sync.resync(info.address)).toBe(false)
    const right = sync.state.get(info.address)
    if (!right) throw new Error('the pool is not followed')
    const { pool } = right
    const wrong = pool.kind === 'v2' ? { ...pool, reserve0: pool.reserve0 + 5n } : { ...pool, tick: pool.tick + 1 }
    sync.state.replace({ ...right, pool: wrong as typeof pool })
    expect(await sync.audit(info.address)).toBe(false)
    expect(await sync.resync(info.address)).toBe(true)
    expect(sync.mended).toBe(at + 1)
    expect(lines.at(-1)).toMatch(
      /^warn pool 0x\w+ \(uniswap_v[234]\) was wrong .* (reserve0|tick) \d+, the chain says \d+$/,
    )
  }
  await expectFresh(sync)
  await sync.stop()
})

/** A V3 pool's state with more liquidity than it has, and with a tick less. */
function spoil(sync: ChainSync, info: PoolInfo): void {
  const right = sync.state.get(info.address)
  if (right?.pool.kind !== 'v3') throw new Error('not a V3 pool')
  const { [-60_000]: _lost, ...ticks } = right.pool.ticks ?? {}
  sync.state.replace({ ...right, pool: { ...right.pool, ticks, liquidity: right.pool.liquidity + 7n } })
}

test('a swap that contradicts the liquidity that was known makes the pool be read again before the head is told', async () => {
  const sync = await follow()
  const info = infos[2] as PoolInfo
  spoil(sync, info)
  const swap = TESTER.encodeFunctionData('swapPool', [info.address, true, 1_000n, 4295128740n])
  const done = await moved(sync, (await bench.mine([swap])).head)
  expect(done).toMatchObject({ held: false, changed: new Set([info.address]) })
  expect(lines.at(-1)).toContain('is mended: ticks (-60000')
  await expectFresh(sync)
  await sync.stop()
})

test('a mended pool is read again when its block is taken back, for how it was before nobody knows', async () => {
  const random = seeded(11)
  const sync = await follow()
  const info = infos[2] as PoolInfo
  await moved(sync, await block(random))
  spoil(sync, info)
  const add = TESTER.encodeFunctionData('addLiquidity', [info.address, -600, 600, 10n ** 15n])
  await moved(sync, (await bench.mine([add])).head)
  expect(await sync.resync(info.address)).toBe(true)
  await bench.rpc.request('anvil_reorg', [1, []])
  await bench.resync()
  expect((await moved(sync, await bench.head())).changed).not.toBe('all')
  await expectFresh(sync)
  await sync.stop()
})

test('pools join while it runs, and leave again with the branch that made them', async () => {
  const random = seeded(12)
  const sync = await follow()
  const { token0: a, token1: b } = infos[0] as PoolInfo
  const fork = await bench.rpc.request<string>('evm_snapshot')
  const made = await bench.pool(a, b, 10000)
  await moved(sync, await bench.head())
  expect(await sync.add([made])).toEqual([made])
  expect(await sync.add([made])).toEqual([])
  expect(sync.state.get(made.address)).toBeDefined()
  await bench.mine([TESTER.encodeFunctionData('tickOfFreshPool', [made.address, 2n ** 96n])])
  const done = await moved(sync, await bench.head())
  expect(done.changed).toContain(made.address)
  await bench.rpc.request('evm_revert', [fork])
  await bench.resync()
  await moved(sync, await block(random))
  expect(sync.state.get(made.address)).toBeUndefined()
  await expectFresh(sync)
  await sync.stop()
})
