import { describe, expect, test } from 'vitest'
import { type Seen, viewOf } from '../../../src/feed/view.ts'
import type { AgentRecord, ReplicaId, ServiceName, ServiceRecord } from '../../../src/protocol/fleet.ts'
import { parseReplicaId } from '../../../src/protocol/fleet.ts'
import { isWhole } from '../../../src/protocol/snapshot.ts'
import { wei } from '../../../src/protocol/units.ts'
import { observedUnit } from '../../fixtures/units.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const AT = '2026-01-01T00:01:00.000Z'
const ago = (seconds: number) => new Date(Date.parse(AT) - seconds * 1_000).toISOString()
const counts = Object.fromEntries(Object.keys(testWanted().counts).map((role) => [role, 0])) as Seen['wanted']['counts']

function seen(changes: Partial<Seen> = {}): Seen {
  return {
    units: [],
    usage: new Map(),
    wanted: testWanted({ counts }),
    halt: { set: false, reason: null, by: 'test', at: AT },
    chain: undefined,
    head: undefined,
    agents: [],
    services: [],
    failures: [],
    locks: [],
    totals: undefined,
    opportunities: [],
    profit: [],
    ...changes,
  }
}

function record(id: ReplicaId, changes: Partial<AgentRecord> = {}): AgentRecord {
  const { role, replica } = parseReplicaId(id) ?? { role: 'admin', replica: 1 }
  const url = `http://127.0.0.1:1/${id}`
  return { id, role, replica, state: 'healthy', url, tools: [], startedAt: AT, at: AT, tasksDone: 0, ...changes }
}
const service = (name: ServiceName, state: ServiceRecord['state'] = 'healthy', url?: string): ServiceRecord => ({
  name,
  state,
  at: AT,
  ...(url === undefined ? {} : { url }),
})

describe('the state of an agent', () => {
  const stateOf = (unit: Parameters<typeof observedUnit>[1], own?: Partial<AgentRecord>) =>
    viewOf(seen({ units: [observedUnit('executor-1', unit)], agents: own ? [record('executor-1', own)] : [] }), AT)
      .agents[0]?.state

  test.each(['healthy', 'standby', 'starting', 'unhealthy', 'draining'] as const)('is what it says: %s', (state) => {
    expect(stateOf({ startedAt: ago(40) }, { state })).toBe(state)
  })

  test('is starting while it is young and says nothing, then unhealthy', () => {
    expect(stateOf({ startedAt: ago(29) })).toBe('starting')
    expect(stateOf({ startedAt: ago(31) })).toBe('unhealthy')
  })

  test('is not what the run before it said, whose heartbeat lives on for a moment', () => {
    expect(stateOf({ startedAt: ago(2) }, { state: 'healthy', at: ago(3) })).toBe('starting')
    expect(stateOf({ startedAt: ago(2) }, { state: 'healthy', at: ago(1) })).toBe('healthy')
  })

  test('has why it failed beside it, until it is healthy again', () => {
    const failure = {
      ...{ id: 'executor-1', cause: 'exited with 1', lines: ['one', 'no key'], count: 3, at: ago(9), until: ago(1) },
      ...{ startedAt: ago(20), specHash: 'a', ill: false },
    }
    const noteOf = (state: 'running' | 'exited', agents: AgentRecord[]) => {
      const units = [observedUnit('executor-1', { state, startedAt: ago(5) })]
      const view = viewOf(seen({ units, agents, failures: [failure] }), AT)
      expect(view.failures).toEqual([failure])
      return view.agents[0]?.note
    }
    expect(noteOf('exited', [])).toBe('exited with 1, 3 times in a row: no key')
    expect(noteOf('running', [])).toBe('exited with 1, 3 times in a row: no key')
    expect(noteOf('running', [record('executor-1')])).toBeNull()
    expect(noteOf('running', [record('executor-1', { state: 'unhealthy', note: 'no bus' })])).toBe('no bus')
  })

  test('is starting before it runs and stopped when it has ended, whatever it said last', () => {
    expect(stateOf({ state: 'created', startedAt: null }, { state: 'healthy' })).toBe('starting')
    expect(stateOf({ state: 'exited' }, { state: 'healthy' })).toBe('stopped')
  })
})

test('agents come in the order of the roles and of their numbers, with what they say and use', () => {
  const units = ['planner-2', 'executor-10', 'executor-2', 'code_indexer-1'].map((id) => observedUnit(id))
  const usage = new Map([['executor-2', { cpuPercent: 12, memoryBytes: 100 }]])
  const agents = [record('executor-2', { task: 'a trade', tasksDone: 4, note: 'busy' })]
  const view = viewOf(seen({ units, usage, agents }), AT)
  expect(view.agents.map((agent) => agent.id)).toEqual(['code_indexer-1', 'executor-2', 'executor-10', 'planner-2'])
  expect(view.agents[1]).toMatchObject({ task: 'a trade', tasksDone: 4, note: 'busy', cpuPercent: 12 })
  expect(view.agents[2]).toMatchObject({ task: null, url: null, cpuPercent: null })
})

test('a role counts what runs, what is healthy (standby too), restarts and what it uses', () => {
  const units = [
    observedUnit('executor-1', { restarts: 2 }),
    observedUnit('executor-2'),
    observedUnit('executor-3', { state: 'exited', restarts: 1 }),
  ]
  const usage = new Map([['executor-1', { cpuPercent: 10, memoryBytes: 50 }]])
  const agents = [record('executor-1'), record('executor-2', { state: 'standby' })]
  const wanted = testWanted({ counts: { ...counts, executor: 4 } })
  const executor = viewOf(seen({ units, usage, agents, wanted }), AT).roles.find((role) => role.role === 'executor')
  expect(executor).toEqual({
    role: 'executor',
    want: 4,
    running: 2,
    healthy: 2,
    restarts: 3,
    cpuPercent: 10,
    memoryBytes: 50,
  })
})

test('a service is shown once, as the engine runs it and as it says itself', () => {
  const units = [
    observedUnit('hub', { ports: { 3000: 3000 } }),
    observedUnit('redis', { health: 'healthy' }),
    observedUnit('bot'),
  ]
  const services = [service('hub', 'unhealthy', 'http://inside:3000'), service('controller')]
  const view = viewOf(seen({ units, services }), AT)
  expect(view.services).toEqual([
    { name: 'hub', state: 'running', health: 'unhealthy', url: 'http://127.0.0.1:3000' },
    { name: 'redis', state: 'running', health: 'healthy', url: null },
    { name: 'bot', state: 'running', health: 'starting', url: null },
    { name: 'controller', state: 'running', health: 'healthy', url: null },
  ])
  expect(view.hubUrl).toBe('http://127.0.0.1:3000')
})

test('a service that ended and says nothing is stopped', () => {
  const view = viewOf(seen({ units: [observedUnit('bot', { state: 'exited' })] }), AT)
  expect(view.services).toEqual([{ name: 'bot', state: 'exited', health: 'stopped', url: null }])
})

test('a halt that is not known is shown as set, and one that is known as it is', () => {
  expect(viewOf(seen({ halt: undefined }), AT).halt).toEqual({ set: true, reason: 'halt is not in shared memory' })
  expect(viewOf(seen(), AT).halt).toEqual({ set: false, reason: null })
  const halt = { set: true, reason: 'why not', by: 'operator', at: AT }
  expect(viewOf(seen({ halt }), AT).halt).toEqual({ set: true, reason: 'why not' })
})

test('profit is what the contract kept minus the gas, below zero too, and nothing before the first trade', () => {
  const totals = {
    executed: 3,
    reverted: 2,
    refused: 1,
    expired: 4,
    profitWei: wei(10n),
    gasWei: wei(25n),
    counted: [],
  }
  const view = viewOf(seen({ totals }), AT)
  expect(view.profitWei).toBe(-15n)
  expect(view.trades).toEqual({ executed: 3, reverted: 2, refused: 1, expired: 4 })
  expect(viewOf(seen(), AT)).toMatchObject({ profitWei: 0n, trades: { executed: 0 } })
})

describe('a fleet is whole', () => {
  const wanted = testWanted({ counts: { ...counts, executor: 1 } })
  const whole: Partial<Seen> = {
    wanted,
    units: [observedUnit('executor-1'), observedUnit('hub')],
    agents: [record('executor-1')],
    services: [service('hub')],
  }
  const is = (changes: Partial<Seen>) => isWhole(viewOf(seen({ ...whole, ...changes }), AT))

  test('when exactly the wanted agents are healthy, and every service', () => {
    expect(is({})).toBe(true)
    expect(is({ agents: [record('executor-1', { state: 'standby' })] })).toBe(true)
  })

  test.each([
    ['an agent is missing', { units: [observedUnit('hub')] }],
    ['an agent has not reported', { agents: [] }],
    ['an agent drains', { agents: [record('executor-1', { state: 'draining' })] }],
    ['an agent is too many', { units: [observedUnit('executor-1'), observedUnit('executor-2'), observedUnit('hub')] }],
    [
      'a surplus agent has ended and is still there',
      { units: [observedUnit('executor-1'), observedUnit('executor-2', { state: 'exited' }), observedUnit('hub')] },
    ],
    ['a service is not healthy', { services: [service('hub', 'starting')] }],
    ['a service has ended', { units: [observedUnit('executor-1'), observedUnit('hub', { state: 'exited' })] }],
  ])('not when %s', (_what, changes) => {
    expect(is(changes)).toBe(false)
  })
})
