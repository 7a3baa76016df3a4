import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { loadPools } from '../../../agent/dex/pools/load.ts'
import { openRpc, type Rpc } from '../../../agent/dex/rpc.ts'
import type { Follower } from '../../../agent/market/follow.ts'
import { watchHeads } from '../../../agent/market/watch-heads.ts'
import type { ChainInfo, PoolInfo } from '../../../src/protocol/chain.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { wei } from '../../../src/protocol/units.ts'
import { LIMITS, until } from '../../fixtures/agents.ts'
import { type Bench, seeded, startBench } from '../../fixtures/dex/bench.ts'
import { type Followed, followedMarket } from '../../fixtures/dex/followed.ts'
import { lagging, startRelay } from '../../fixtures/dex/unruly-rpc.ts'

let bench: Bench
let infos: PoolInfo[]
let market: Followed
let chain: ChainInfo
const cleanups: (() => unknown)[] = []
const random = seeded(31)

beforeAll(async () => {
  bench = await startBench()
  market = await followedMarket(bench)
  infos = market.infos
  const weth = infos[0]?.token0 ?? null
  chain = {
    ...{ chainInstance: 'test', chainId: 31337, sandbox: true, url: null, weth, bases: [], l1Fee: 'none' },
    ...{ finalityBlocks: 2, submit: 'public', tokens: [], pools: infos, lenders: [], executor: null },
    ...{ codeHashes: {}, seed: null, at: now() },
  }
})
afterAll(() => bench?.stop())
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const mine = () => market.block(random, 12)

/** Watches over a connection; what it says is in the arrays. */
function watch(rpc: Rpc) {
  const ending = new AbortController()
  const blocks: number[] = []
  const health: string[] = []
  const lines: string[] = []
  let follower: Follower | undefined
  const done = watchHeads({
    chain,
    rpc,
    spec: { limits: LIMITS, minProfitWei: wei(1n), planBlocks: 8 },
    log: (level, message) => lines.push(`${level} ${message}`),
    onBlock: (head) => blocks.push(head.number),
    onHealth: (state, note) => {
      if (health.at(-1) !== (note ?? state)) health.push(note ?? state)
    },
    onIdle: async (one) => {
      follower = one
    },
    signal: ending.signal,
  })
  cleanups.push(async () => {
    ending.abort()
    await done
  })
  const isAt = (number: number) => until(`block ${number}`, () => blocks.at(-1) === number, 8_000)
  const expectFresh = async (): Promise<void> => {
    const state = follower?.sync.state
    const fresh = await loadPools(bench.rpc, infos, state?.head.hash ?? '0x')
    expect(state?.states()).toEqual(new Map(fresh.map((pool) => [pool.address, pool])))
  }
  return { blocks, health, lines, isAt, expectFresh }
}
const newest = async () => Number((await bench.head()).number)

test('a connection that is cut comes back, and what was missed is filled in, without a restart', async () => {
  const relay = await startRelay(Number(new URL(bench.url).port))
  const rpc = await openRpc(`ws://127.0.0.1:${relay.port}`, { timeoutMs: 1_000 })
  cleanups.push(relay.stop, () => rpc.close())
  const watched = watch(rpc)
  await watched.isAt(await newest())
  for (let turn = 0; turn < 3; turn++) {
    await mine()
    relay.cut()
    for (let block = 0; block < 4; block++) await mine()
    relay.mend()
    await watched.isAt(await newest())
    await watched.expectFresh()
    await mine()
    await watched.isAt(await newest())
    await watched.expectFresh()
  }
  expect(watched.lines.filter((line) => line.includes('read anew'))).toEqual([])
  expect(watched.health.filter((note) => note !== 'working').every((note) => note.includes('cannot be reached'))).toBe(
    true,
  )
})

test('a node that lags does not take the state back: old heads do nothing, and newer ones lead on', async () => {
  const rpc = lagging(bench.rpc)
  const watched = watch(rpc)
  for (let turn = 0; turn < 6; turn++) await mine()
  await watched.isAt(await newest())
  const at = await newest()
  const said = watched.blocks.length
  rpc.behind = 4
  await rpc.replay([at - 5, at - 4, at - 3])
  await new Promise((resolve) => setTimeout(resolve, 2_500)) // long enough that it has looked by itself
  expect(watched.blocks.slice(said)).toEqual([])
  await mine()
  rpc.behind = 0
  await rpc.replay([at - 1, at, at + 1])
  await watched.isAt(at + 1)
  await watched.expectFresh()
  expect(watched.lines.filter((line) => line.includes('reorganised') || line.startsWith('warn'))).toEqual([])
})

test('reorgs come through while it watches, each searched at its new head', async () => {
  const watched = watch(bench.rpc)
  for (let depth = 1; depth <= 4; depth++) {
    for (let turn = 0; turn < depth; turn++) await mine()
    await watched.isAt(await newest())
    await bench.rpc.request('anvil_reorg', [depth, []])
    await bench.resync()
    await mine()
    await watched.isAt(await newest())
    await watched.expectFresh()
  }
})
