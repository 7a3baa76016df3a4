import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { candidates, catalogueOf, type Load, roleOf, toolName } from '../../../src/hub/catalogue.ts'
import type { AgentRecord, ReplicaId } from '../../../src/protocol/fleet.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'

const agent = (id: ReplicaId, change: Partial<AgentRecord> = {}): AgentRecord => ({
  id,
  role: 'builder',
  replica: 1,
  state: 'healthy',
  url: `http://${id}/mcp`,
  tools: [{ name: 'build', description: 'of the old', inputSchema: {} }],
  startedAt: '2026-01-01T00:00:00.000Z',
  at: '2026-01-01T00:00:10.000Z',
  tasksDone: 0,
  ...change,
})
const idle: Load = { inFlight: 0, chosenAt: 0 }
const build = { role: 'builder', tool: 'build' } as const
const order = (agents: AgentRecord[], loads: Record<string, Load> = {}) =>
  candidates(agents, build, ({ id }) => loads[id] ?? idle).map(({ id }) => id)

describe('names of tools', () => {
  test('are role__tool, and short names stay as they are', () => {
    expect(toolName('reviewer', 'review_execution')).toBe('reviewer__review_execution')
    expect(roleOf('reviewer__review_execution')).toBe('reviewer')
    expect(roleOf('code_indexer__inspect')).toBe('code_indexer')
    expect(roleOf('reviewer')).toBeUndefined()
    expect(roleOf('No-body__x')).toBeUndefined()
  })

  test('are legal, at most 64 characters, and differ when role or tool differ', () => {
    const named = fc.tuple(fc.constantFrom(...ROLE_NAMES), fc.string({ minLength: 1, maxLength: 120 }))
    fc.assert(
      fc.property(named, named, ([roleA, a], [roleB, b]) => {
        const name = toolName(roleA, a)
        expect(name).toMatch(/^[A-Za-z0-9_.-]{1,64}$/)
        if (roleA !== roleB || a !== b) expect(toolName(roleB, b)).not.toBe(name)
      }),
    )
  })
})

describe('the catalogue', () => {
  test('has each tool once, as the replica that started last describes it, whatever the order of agents', () => {
    const old = agent('builder-2')
    const young = agent('builder-1', {
      startedAt: '2026-01-02T00:00:00.000Z',
      tools: [{ name: 'build', description: 'of the young', inputSchema: {} }],
    })
    for (const agents of [
      [old, young],
      [young, old],
    ]) {
      const catalogue = catalogueOf(agents)
      expect([...catalogue.keys()]).toEqual(['builder__build'])
      expect(catalogue.get('builder__build')?.info.description).toBe('of the young')
    }
  })
})

describe('who takes a call', () => {
  test('the one with fewest calls in hand, then the one chosen longest ago', () => {
    const agents = [agent('builder-1'), agent('builder-2'), agent('builder-3')]
    const loads = {
      'builder-1': { inFlight: 2, chosenAt: 1 },
      'builder-2': { inFlight: 1, chosenAt: 9 },
      'builder-3': { inFlight: 1, chosenAt: 8 },
    }
    expect(order(agents, loads)).toEqual(['builder-3', 'builder-2', 'builder-1'])
  })

  test('one whose connection failed comes last until its heartbeat is newer', () => {
    const failed = { ...idle, failedAt: '2026-01-01T00:00:11.000Z' }
    const loads = { 'builder-1': failed, 'builder-2': { inFlight: 5, chosenAt: 5 } }
    expect(order([agent('builder-1'), agent('builder-2')], loads)).toEqual(['builder-2', 'builder-1'])
    const back = agent('builder-1', { at: '2026-01-01T00:00:12.000Z' })
    expect(order([back, agent('builder-2')], loads)).toEqual(['builder-1', 'builder-2'])
  })

  test('nobody of another role, without the tool, or not well', () => {
    const others = [
      agent('planner-1', { role: 'planner' }),
      agent('builder-1', { tools: [] }),
      agent('builder-2', { state: 'draining' }),
      agent('builder-3', { state: 'unhealthy' }),
      agent('builder-4', { state: 'starting' }),
    ]
    expect(order(others)).toEqual([])
    expect(order([agent('builder-5', { state: 'standby' }), agent('builder-6')])).toEqual(['builder-6', 'builder-5'])
  })
})
