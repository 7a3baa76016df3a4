import { afterEach, expect, test } from 'vitest'
import { parseScale } from '../../../src/client/scale.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import type { FleetEvent, NewFleetEvent } from '../../../src/protocol/event.ts'
import { HaltSchema, WantedSchema } from '../../../src/protocol/fleet.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import type { LogLine } from '../../../src/protocol/records.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { type Direct, directFleet } from '../../fixtures/direct-fleet.ts'
import { taskRecord } from '../../fixtures/records.ts'
import { soon } from '../../fixtures/world.ts'

const lives: AbortController[] = []
const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const life of lives.splice(0)) life.abort()
  for (const end of ends.splice(0)) await end()
})

async function fleet(parts?: Parameters<typeof directFleet>[0]): Promise<Direct> {
  const direct = await directFleet(parts)
  ends.push(() => direct.world.engine.close())
  return direct
}

const lastOf = async ({ memory }: Direct, stream: string) => (await memory.stream(stream).read()).at(-1)?.value
const life = (): AbortSignal => {
  const one = new AbortController()
  lives.push(one)
  return one.signal
}

test('scale writes the counts and nothing else, says so, is audited, and asks for a whole fleet', async () => {
  const direct = await fleet()
  const before = (await readAs(direct.memory, keys.wanted, WantedSchema))?.value
  const counts = await direct.client.scale(parseScale(['executor=3', 'planner=+1', 'reviewer=-1']))
  expect(counts).toMatchObject({ executor: 3, planner: 2, reviewer: 0, admin: 1 })
  const after = (await readAs(direct.memory, keys.wanted, WantedSchema))?.value
  expect(after).toEqual({ ...before, counts, writtenBy: 'operator', at: after?.at })
  expect(await lastOf(direct, streams.events)).toMatchObject({ type: 'scale', counts, by: 'operator' })
  expect(await lastOf(direct, streams.audit)).toMatchObject({
    action: 'scale',
    target: 'executor=3 planner=+1 reviewer=-1',
    by: 'operator',
    outcome: 'ok',
  })
  expect(direct.kept()).toBe(1)
})

test('a scale that is refused changes nothing and is no event', async () => {
  const direct = await fleet()
  await expect(direct.client.scale(parseScale(['executor=2', 'admin=2']))).rejects.toMatchObject({ code: 'usage' })
  expect((await readAs(direct.memory, keys.wanted, WantedSchema))?.value.counts.executor).toBe(1)
  expect(await direct.memory.stream(streams.events).read()).toEqual([])
})

test('two that scale at once both count', async () => {
  const direct = await fleet()
  await Promise.all(Array.from({ length: 8 }, () => direct.client.scale(parseScale(['executor=+1']))))
  expect((await readAs(direct.memory, keys.wanted, WantedSchema))?.value.counts.executor).toBe(9)
})

test('without a wanted fleet there is nothing to scale or restart', async () => {
  const direct = await fleet()
  await direct.memory.write(keys.wanted, undefined)
  await expect(direct.client.scale(parseScale(['executor=2']))).rejects.toMatchObject({ code: 'not_found' })
  await expect(direct.client.restart(null)).rejects.toMatchObject({ code: 'not_found' })
})

test('scale with a profile sets all counts to it, and changes by name come on top', async () => {
  const direct = await fleet()
  await direct.client.scale(parseScale(['executor=7']))
  const counts = await direct.client.scale(parseScale(['planner=+1']), 'standard')
  expect(counts).toMatchObject({ executor: 4, planner: 3, admin: 1 })
  expect((await readAs(direct.memory, keys.wanted, WantedSchema))?.value).toMatchObject({ counts, profile: 'standard' })
  expect(await lastOf(direct, streams.audit)).toMatchObject({ target: 'profile standard planner=+1' })
})

test('a plan names what would be done, with changes as if they were wanted, and does nothing', async () => {
  const direct = await fleet()
  expect(await direct.client.plan()).toEqual([])
  await direct.world.crash('planner-1')
  expect(await direct.client.plan(parseScale(['executor=2', 'reviewer=0']))).toEqual([
    { kind: 'stop', id: 'reviewer-1', cause: 'not wanted any more' },
    { kind: 'start', id: 'executor-2', cause: 'wanted and not there' },
    { kind: 'start', id: 'planner-1', cause: 'exited with 1' },
  ])
  expect(direct.world.acts).toEqual([])
  expect(await direct.memory.list(keys.failures)).toEqual([])
  expect((await readAs(direct.memory, keys.wanted, WantedSchema))?.value.counts).toMatchObject({
    executor: 1,
    reviewer: 1,
  })
})

test('halt and resume set the switch, are events and are audited with their reason', async () => {
  const direct = await fleet()
  await direct.client.halt('odd prices')
  const halt = async () => (await readAs(direct.memory, keys.halt, HaltSchema))?.value
  expect(await halt()).toMatchObject({ set: true, reason: 'odd prices', by: 'operator' })
  expect(await lastOf(direct, streams.events)).toMatchObject({ type: 'halt', set: true, reason: 'odd prices' })
  expect(await lastOf(direct, streams.audit)).toMatchObject({ action: 'halt', target: 'odd prices' })
  expect((await direct.client.snapshot()).halt).toEqual({ set: true, reason: 'odd prices' })
  await direct.client.resume()
  expect(await halt()).toMatchObject({ set: false, reason: null })
  expect(await lastOf(direct, streams.audit)).toMatchObject({ action: 'resume' })
})

test.each([
  ['executor-1', ['executor-1']],
  ['mcp-executor-1', ['executor-1']],
  ['executor', ['executor-1', 'executor-2']],
  ['hub', ['hub']],
  ['mcp-coordinator', ['hub']],
  ['coordinator', ['coordinator-1']],
  ['mcp-bot', ['bot']],
])('restart %s replaces those units and no other, and is audited', async (target, ids) => {
  const direct = await fleet()
  await direct.client.scale(parseScale(['executor=2']))
  expect(await direct.client.restart(target)).toEqual(ids)
  const { acts, engine } = direct.world
  const touched = new Set(acts.map((act) => act.split(' ')[1]))
  expect([...touched].sort()).toEqual([...ids].sort())
  for (const id of ids) expect((await engine.list()).find((unit) => unit.id === id)?.state).toBe('running')
  expect(await lastOf(direct, streams.audit)).toMatchObject({ action: 'restart', target })
})

test('restart of nothing in particular replaces all agents and no service', async () => {
  const direct = await fleet()
  const ids = await direct.client.restart(null)
  expect(ids).toHaveLength(10)
  expect(ids).not.toContain('hub')
  expect(await lastOf(direct, streams.audit)).toMatchObject({ target: 'all agents' })
})

test('a target that is not there is answered with the nearest, and nothing is touched', async () => {
  const direct = await fleet()
  await expect(direct.client.restart('exectuor-1')).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('exectuor-1'),
    remedy: expect.stringContaining('Did you mean executor-1?'),
  })
  await expect(direct.client.restart('executor-9')).rejects.toMatchObject({ code: 'usage' })
  expect(direct.world.acts).toEqual([])
})

async function append({ memory }: Direct, n: number): Promise<void> {
  const note: NewFleetEvent = { type: 'note', level: 'info', from: 'test', message: String(n) }
  await memory.stream(streams.events).append({ at: now(), ...note })
}

function collect(events: AsyncIterable<FleetEvent>): string[] {
  const seen: string[] = []
  void (async () => {
    for await (const event of events) if (event.type === 'note') seen.push(event.message)
  })()
  return seen
}

const upTo = (n: number, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => String(from + i))

test('events followed from now on miss none and repeat none, however fast they come', async () => {
  const direct = await fleet()
  await append(direct, -1)
  const seen = collect(direct.client.events({ follow: true }, life()))
  await new Promise((resolve) => setTimeout(resolve, 5))
  for (let n = 1; n <= 500; n++) {
    await append(direct, n)
    if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await soon('all events', () => seen.length >= 500)
  expect(seen).toEqual(upTo(500))
})

test('events followed in an empty stream begin with the first one', async () => {
  const direct = await fleet()
  const seen = collect(direct.client.events({ follow: true }, life()))
  await append(direct, 1)
  await append(direct, 2)
  await soon('both', () => seen.length >= 2)
  expect(seen).toEqual(['1', '2'])
})

test('the last events come first, and end there unless followed', async () => {
  const direct = await fleet()
  for (let n = 1; n <= 5; n++) await append(direct, n)
  const past: string[] = []
  for await (const event of direct.client.events({ last: 3, follow: false }, life()))
    if (event.type === 'note') past.push(event.message)
  expect(past).toEqual(['3', '4', '5'])
  const seen = collect(direct.client.events({ last: 2, follow: true }, life()))
  await soon('the past', () => seen.length === 2)
  await append(direct, 6)
  await soon('the next', () => seen.length === 3)
  expect(seen).toEqual(['4', '5', '6'])
})

test('a change in memory or of a unit is a nudge to look again', async () => {
  const direct = await fleet()
  let nudges = 0
  void (async () => {
    for await (const _nudge of direct.client.changes(life())) nudges += 1
  })()
  const next = async (what: string, act: () => Promise<unknown>) => {
    await new Promise((resolve) => setTimeout(resolve, 30))
    const before = nudges
    await act()
    await soon(what, () => nudges > before)
  }
  await next('halt', () => direct.client.halt(null))
  await next('a crash', () => direct.world.crash('executor-1'))
})

test('logs are those of the named units, or of a role, or of all; a name that is none is refused before anything', async () => {
  const direct = await fleet()
  for (const id of ['executor-1', 'planner-1', 'hub']) direct.world.say(id, `${id} speaks`)
  const logs = async (query: { sources?: string[]; role?: 'planner' }) => {
    const lines: LogLine[] = []
    const all = { sources: [], follow: false, tail: 100, ...query }
    for await (const line of direct.client.logs(all, life())) lines.push(line)
    return lines.map((line) => line.source).sort()
  }
  expect(await logs({})).toEqual(['executor-1', 'hub', 'planner-1'])
  expect(await logs({ sources: ['mcp-executor-1', 'mcp-coordinator'] })).toEqual(['executor-1', 'hub'])
  expect(await logs({ role: 'planner' })).toEqual(['planner-1'])
  expect(await logs({ sources: ['planner'] })).toEqual(['planner-1'])
  await expect(logs({ sources: ['planer-1'] })).rejects.toMatchObject({
    code: 'usage',
    remedy: expect.stringContaining('planner-1'),
  })
})

test('records are asked for by kind, beginning of the id and number', async () => {
  const asked: unknown[] = []
  const body = taskRecord(1, 1)
  const direct = await fleet({
    records: {
      records: async (query) => {
        asked.push(query)
        return [body] as never
      },
    },
  })
  expect(await direct.client.tasks({ id: '0xab', last: 7 })).toEqual([body.body])
  await direct.client.audit({ last: 3 })
  expect(asked).toEqual([
    { kind: 'task', idPrefix: '0xab', limit: 7 },
    { kind: 'audit', limit: 3 },
  ])
})
