import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RpcBlock, RpcLog } from '../../../../agent/dex/chain-types.ts'
import { loadPools } from '../../../../agent/dex/pools/load.ts'
import type { Rpc } from '../../../../agent/dex/rpc.ts'
import { ChainSync } from '../../../../agent/dex/state/sync.ts'
import type { PoolInfo } from '../../../../src/protocol/chain.ts'
import { FleetError } from '../../../../src/protocol/errors.ts'
import { type Bench, seeded, startBench } from '../../../fixtures/dex/bench.ts'
import { followedMarket, randomTrade } from '../../../fixtures/dex/followed.ts'
import { type Mischief, unruly } from '../../../fixtures/dex/unruly-rpc.ts'

let bench: Bench
let infos: PoolInfo[]
const lines: string[] = []
const log = (level: string, message: string) => lines.push(`${level} ${message}`)

beforeAll(async () => {
  bench = await startBench()
  infos = (await followedMarket(bench)).infos.slice(0, 4)
})
afterAll(() => bench?.stop())

const random = seeded(21)
const block = async (): Promise<RpcBlock> =>
  (await bench.mine(Array.from({ length: random.int(6, 20) }, () => randomTrade(random, infos)))).head
const fresh = async (head: RpcBlock) =>
  new Map((await loadPools(bench.rpc, infos, head.hash)).map((pool) => [pool.address, pool]))

/** Twelve blocks whose logs come as the mischief says. @returns how often the tentative state was the proven one */
async function followUnder(mischief: Mischief): Promise<{ held: number; told: number; calls: number }> {
  const rpc = unruly(bench.rpc, mischief)
  const sync = await ChainSync.start({ rpc, infos, log }, await bench.head())
  let [held, told, calls] = [0, 0, 0]
  for (let turn = 0; turn < 12; turn++) {
    const head = await block()
    rpc.release(head.hash)
    const moved = await sync.moveTo(head, () => {
      told += 1
    })
    held += moved?.held ? 1 : 0
    calls += 1
    expect(moved?.changed).not.toBe('all')
    expect(sync.state.states()).toEqual(await fresh(head))
  }
  await sync.stop()
  expect(sync.mended).toBe(0)
  return { held, told, calls }
}

const shuffled = <T>(list: readonly T[]): T[] =>
  list
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)

test('logs that come whole, before their head, let the search begin at once, and the proof confirms it', async () => {
  expect(await followUnder((logs) => [...logs])).toEqual({ held: 12, told: 12, calls: 12 })
})

test('logs out of order, or twice, are put in order and taken once', async () => {
  expect((await followUnder((logs) => shuffled([...logs, ...logs]))).held).toBe(12)
})

test('missing logs are found by the proof: what was done without them is taken back', async () => {
  expect((await followUnder((logs) => logs.filter((_, at) => at % 3 !== 1))).held).toBeLessThan(3)
  expect((await followUnder(() => [])).held).toBe(0)
})

test('logs that the node takes back, and logs that were never written, do no harm', async () => {
  const removed = (logs: readonly RpcLog[]) => [
    ...logs,
    ...logs.slice(0, 3).map((each) => ({ ...each, removed: true })),
  ]
  expect((await followUnder(removed)).held).toBe(0)
  const strange = (logs: readonly RpcLog[]) =>
    logs.map((each, at) => (at === 1 ? { ...each, data: `0x${'ff'.repeat(160)}` as const } : each))
  expect((await followUnder(strange)).held).toBeLessThan(12)
  const undecodable = (logs: readonly RpcLog[]) => logs.map((each) => ({ ...each, data: '0x' as const }))
  expect(await followUnder(undecodable)).toMatchObject({ held: 0, told: 0 })
  const invented = (logs: readonly RpcLog[]) => [...logs, { ...(logs[0] as RpcLog), logIndex: '0xfff' as const }]
  expect((await followUnder(invented)).held).toBe(0)
})

test('whatever a subscription does, in a mix, the proven state is the chain’s', async () => {
  const kinds: Mischief[] = [
    (logs) => [...logs],
    (logs) => shuffled(logs),
    (logs) => logs.slice(random.int(0, 4)),
    (logs) => [...logs, ...logs.slice(2).map((each) => ({ ...each, removed: true }))],
    () => [],
  ]
  const { calls } = await followUnder((logs) => (kinds[random.int(0, kinds.length - 1)] as Mischief)(logs))
  expect(calls).toBe(12)
  expect(lines).toEqual([])
})

test('a node that is near proves a block before anything is done without proof', async () => {
  const sync = await ChainSync.start({ rpc: bench.rpc, infos, log }, await bench.head())
  let told = 0
  for (let turn = 0; turn < 20; turn++) {
    const head = await block()
    const moved = await sync.moveTo(head, () => {
      told += 1
    })
    expect(moved?.head.hash).toBe(head.hash)
  }
  expect(told).toBeLessThan(20)
  expect(sync.state.states()).toEqual(await fresh(await bench.head()))
  await sync.stop()
})

test('over a connection without subscriptions every block waits for its proof', async () => {
  const unsupported = new FleetError('unsupported', 'no subscriptions', { remedy: 'Use ws.' })
  const rpc: Rpc = {
    request: (method, params) => bench.rpc.request(method, params),
    subscribe: () => Promise.reject(unsupported),
    close: () => undefined,
  }
  const sync = await ChainSync.start({ rpc, infos, log }, await bench.head())
  for (let turn = 0; turn < 5; turn++) {
    const head = await block()
    const moved = await sync.moveTo(head, () => expect.unreachable('nothing is known before the proof'))
    expect(moved?.held).toBe(false)
    expect(sync.state.states()).toEqual(await fresh(head))
  }
})
