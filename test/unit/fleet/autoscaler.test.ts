import { afterEach, beforeEach, expect, test } from 'vitest'
import { Autoscaler } from '../../../src/fleet/autoscaler.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { FleetEventSchema } from '../../../src/protocol/event.ts'
import { type AgentRecord, roleSpec, type Wanted, WantedSchema } from '../../../src/protocol/fleet.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { AuditViewSchema } from '../../../src/protocol/records.ts'
import { AutoscaleRuleSchema } from '../../../src/protocol/role-spec.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const NOW = 1_000_000_000_000
let memory: SharedMemory
let waiting: Record<string, number>
let cpuPercent: number
let lines: string[]

beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'test' })
  waiting = {}
  cpuPercent = 0
  lines = []
})
afterEach(() => memory.close())

/** A fleet in which the roles named have a rule, and two agents each. */
async function fleet(rules: Record<string, unknown>): Promise<Autoscaler> {
  const wanted = testWanted()
  const roles = { ...wanted.spec.roles }
  for (const [role, { autoscale: _rule, ...spec }] of Object.entries(roles)) roles[role] = spec
  for (const [role, rule] of Object.entries(rules))
    roles[role] = { ...roleSpec(wanted.spec, role), autoscale: AutoscaleRuleSchema.parse(rule) }
  const counts = { ...wanted.counts, ...Object.fromEntries(Object.keys(rules).map((role) => [role, 2])) }
  await memory.write(keys.wanted, { ...wanted, counts, spec: { ...wanted.spec, roles } })
  for (const role of Object.keys(rules)) for (const replica of [1, 2]) await says({ role, replica })
  return new Autoscaler({
    memory,
    bus: { depth: async (role) => waiting[role] ?? 0 },
    engine: { usage: async (ids) => new Map(ids.map((id) => [id, { cpuPercent, memoryBytes: 1 }])) },
    owner: 'test',
    log: (level, message) => lines.push(`${level} ${message}`),
  })
}

async function says(agent: Partial<AgentRecord> & { role: string; replica: number }): Promise<void> {
  const id = `${agent.role}-${agent.replica}`
  const rest = { url: 'http://x/mcp', tools: [], startedAt: now(), at: now(), tasksDone: 0, state: 'healthy' }
  await memory.write(keys.agent(id), { ...rest, ...agent, id })
}

const counts = async (): Promise<Wanted['counts']> =>
  (await readAs(memory, keys.wanted, WantedSchema))?.value.counts ?? {}

test('a queue that is too long gets more agents, and it is told why: as an event, in the audit, in the log', async () => {
  const autoscaler = await fleet({ planner: { queuePerAgent: 5 } })
  waiting.planner = 16
  await autoscaler.look(NOW)
  expect(await counts()).toMatchObject({ planner: 4, builder: 1 })
  const cause = '16 messages wait for 2 agents, 5 each are allowed'
  const [event] = await streamAs(memory, streams.events, FleetEventSchema)
  expect(event?.value).toMatchObject({ type: 'autoscale', role: 'planner', from: 2, to: 4, cause })
  const [audit] = await streamAs(memory, streams.audit, AuditViewSchema)
  expect(audit?.value).toMatchObject({ by: 'autoscaler', action: 'scale', target: 'planner=4', detail: cause })
  expect(lines).toEqual([`info planner 2 → 4: ${cause}`])
  expect((await readAs(memory, keys.wanted, WantedSchema))?.value.writtenBy).toBe('autoscaler')
})

test('what it remembers is in shared memory: another one goes on where the first ended', async () => {
  const first = await fleet({ planner: { queuePerAgent: 5 } })
  waiting.planner = 16
  await first.look(NOW)
  const second = new Autoscaler({
    ...{ memory, owner: 'other', log: () => undefined, bus: { depth: async () => 99 } },
    engine: { usage: async () => new Map() },
  })
  await second.look(NOW + 1_000)
  expect((await counts()).planner).toBe(4)
  await second.look(NOW + 16_000)
  expect((await counts()).planner).toBe(8)
})

test('the age of the oldest comes from what agents say they took', async () => {
  const autoscaler = await fleet({ builder: { oldestSeconds: 2 } })
  waiting.builder = 1
  const took = { waitedMs: 100, at: new Date(NOW).toISOString() }
  await says({ role: 'builder', replica: 1, took })
  await autoscaler.look(NOW)
  await autoscaler.look(NOW + 1_500)
  expect((await counts()).builder).toBe(2)
  await autoscaler.look(NOW + 3_000)
  expect((await counts()).builder).toBe(3)
  expect(lines.at(-1)).toContain('the oldest waits for 3.0 s')
})

test('cpu is asked of the engine, for roles whose rule names it', async () => {
  const autoscaler = await fleet({ reviewer: { cpuPercent: 50 } })
  cpuPercent = 80
  await autoscaler.look(NOW)
  expect((await counts()).reviewer).toBe(4)
})

test('a role without a rule, or that somebody set to 0, is left alone', async () => {
  const autoscaler = await fleet({ planner: { queuePerAgent: 1 } })
  const before = (await readAs(memory, keys.wanted, WantedSchema))?.value as Wanted
  await memory.write(keys.wanted, { ...before, counts: { ...before.counts, planner: 0 } })
  waiting = { planner: 50, builder: 50 }
  await autoscaler.look(NOW)
  expect(await counts()).toMatchObject({ planner: 0, builder: 1 })
})

test('a count that an operator writes while it decides stands', async () => {
  const autoscaler = await fleet({ planner: { queuePerAgent: 5 } })
  const before = (await readAs(memory, keys.wanted, WantedSchema))?.value as Wanted
  const meddled = new Autoscaler({
    ...{ memory, owner: 'test', log: (level, message) => lines.push(`${level} ${message}`) },
    bus: {
      async depth() {
        await memory.write(keys.wanted, { ...before, counts: { ...before.counts, planner: 7 } })
        return 40
      },
    },
    engine: { usage: async () => new Map() },
  })
  await meddled.look(NOW)
  expect((await counts()).planner).toBe(7)
  expect(lines).toEqual([])
  waiting.planner = 36
  await autoscaler.look(NOW + 20_000)
  await autoscaler.look(NOW + 36_000)
  expect((await counts()).planner).toBe(8)
})
