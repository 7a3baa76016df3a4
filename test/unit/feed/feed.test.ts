import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { Feed } from '../../../src/feed/feed.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { SnapshotSchema } from '../../../src/protocol/snapshot.ts'
import { wei } from '../../../src/protocol/units.ts'
import { fakeOpportunity, hash } from '../../fixtures/fake-client.ts'
import { unitSpec } from '../../fixtures/units.ts'
import { testWanted } from '../../fixtures/wanted.ts'
import { openWorld, outage, type Ways, ways } from '../../fixtures/world.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function feed(): Promise<Ways & { feed: Feed }> {
  const world = openWorld()
  ends.push(() => world.engine.close())
  const memory = await openMemory('embedded:', { fleet: 'test' })
  await memory.write(keys.wanted, testWanted({ engine: 'embedded' }))
  for (const id of ['executor-1', 'planner-1', 'hub']) await world.engine.start(unitSpec(id))
  const there = ways(world.engine, memory)
  return { ...there, feed: new Feed(there.engine, there.memory) }
}

const chain = (chainInstance: string): ChainInfo => ({
  chainInstance,
  chainId: 31337,
  sandbox: true,
  url: null,
  weth: null,
  bases: [],
  l1Fee: 'none',
  finalityBlocks: 2,
  submit: 'public',
  tokens: [],
  pools: [],
  lenders: [],
  executor: null,
  codeHashes: {},
  seed: '1',
  at: now(),
})

test('a fresh picture is a whole snapshot with nothing stale', async () => {
  const fleet = await feed()
  const snapshot = await fleet.feed.snapshot(true)
  expect(snapshot.stale).toEqual([])
  expect(snapshot.agents.map((agent) => agent.id)).toEqual(['executor-1', 'planner-1'])
  expect(snapshot.services.map((service) => service.name)).toEqual(['hub'])
  expect(SnapshotSchema.safeParse(JSON.parse(JSON.stringify(snapshot, bigintAsText))).error).toBeUndefined()
})

const bigintAsText = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)

test.each(['engine', 'memory'] as const)(
  'when the %s is away for a while, what was last seen is shown, with since when and why; then it is fresh again',
  async (source) => {
    const fleet = await feed()
    const good = await fleet.feed.snapshot()
    fleet.cut[source] = outage(`${source}_unreachable`, 'the cable is out')
    const first = await fleet.feed.snapshot()
    await pause(20)
    fleet.cut[source] = outage(`${source}_unreachable`, 'still out')
    const later = await fleet.feed.snapshot()
    expect(first.agents).toEqual(good.agents)
    expect(later.agents).toEqual(good.agents)
    expect(later.roles).toEqual(good.roles)
    expect(later.stale).toEqual([{ source, since: first.stale[0]?.since, message: 'the cable is out' }])
    expect(Date.parse(later.at) - Date.parse(later.stale[0]?.since ?? '')).toBeGreaterThanOrEqual(15)
    fleet.cut[source] = undefined
    expect((await fleet.feed.snapshot()).stale).toEqual([])
  },
)

test.each(['engine', 'memory'] as const)(
  'what was never seen is an error and not an empty fleet: %s',
  async (source) => {
    const fleet = await feed()
    const error = outage(`${source}_unreachable`)
    fleet.cut[source] = error
    await expect(fleet.feed.snapshot()).rejects.toBe(error)
    fleet.cut[source] = undefined
    expect((await fleet.feed.snapshot()).agents).toHaveLength(2)
  },
)

test('an error that does not pass by itself is not covered by an old picture', async () => {
  const fleet = await feed()
  await fleet.feed.snapshot()
  fleet.cut.engine = new FleetError('engine_refused', 'no permission', { remedy: 'Join the group.' })
  await expect(fleet.feed.snapshot()).rejects.toMatchObject({ code: 'engine_refused' })
})

test('a fleet of which nobody says what is wanted is an error', async () => {
  const fleet = await feed()
  await fleet.memory.write(keys.wanted, undefined)
  await expect(fleet.feed.snapshot()).rejects.toMatchObject({ code: 'not_found' })
})

test('head, totals and opportunities are of this chain instance only, opportunities newest first', async () => {
  const fleet = await feed()
  const { memory } = fleet
  const head = { number: 12, hash: hash(1), at: now(), pools: 3 }
  const totals = { executed: 1, reverted: 0, refused: 0, expired: 0, profitWei: wei(9n), gasWei: wei(2n), counted: [] }
  await memory.write(keys.chain, chain('new'))
  await memory.write(keys.head, { ...head, chainInstance: 'old' })
  await memory.write(keys.totals('old'), totals)
  for (const [n, instance] of ['old', 'new', 'new'].entries())
    await memory
      .stream(streams.opportunities)
      .append({ ...fakeOpportunity(n, 0, Date.now()), chainInstance: instance, id: hash(n + 1) })
  const before = await fleet.feed.snapshot()
  expect(before.chain).toMatchObject({ head: null, instance: 'new' })
  expect(before).toMatchObject({ profitWei: 0n, trades: { executed: 0 } })
  expect(before.opportunities.map((opportunity) => opportunity.id)).toEqual([hash(3), hash(2)])
  await memory.write(keys.head, { ...head, chainInstance: 'new' })
  await memory.write(keys.totals('new'), totals)
  expect(await fleet.feed.snapshot()).toMatchObject({ chain: { head: 12 }, profitWei: 7n, trades: { executed: 1 } })
})
