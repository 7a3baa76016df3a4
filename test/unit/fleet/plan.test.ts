import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeStep, type Plan, planLine } from '../../../src/fleet/plan.ts'
import type { ObservedUnit } from '../../../src/ports/engine/engine.ts'
import { FleetSim, keepsMinimum, simSpec } from '../../fixtures/fleet-sim.ts'
import { observedUnit, unitSpec } from '../../fixtures/units.ts'

const ROLES = ['executor', 'planner']
const IDS = ['hub', 'bot', 'sandbox', ...ROLES.flatMap((role) => [1, 2, 3, 4].map((n) => `${role}-${n}`))]
const hash = fc.constantFrom('a', 'b')
const desiredWorlds = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...IDS), hash), { selector: ([id]) => id })
  .map((units) => units.map(([id, h]) => unitSpec(id, h)))
const observedWorlds = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom(...IDS),
    specHash: hash,
    state: fc.constantFrom<ObservedUnit['state']>('created', 'running', 'exited'),
    exitCode: fc.constantFrom(null, 0, 1, 134, 137),
    oomKilled: fc.boolean(),
    /** It hangs from its start. */
    hangs: fc.boolean(),
  }),
  { selector: ({ id }) => id },
)
type Before = typeof observedWorlds extends fc.Arbitrary<infer T> ? T : never

function simOf(desired: ReturnType<typeof unitSpec>[], before: Before): FleetSim {
  const sim = new FleetSim(simSpec(...ROLES), desired)
  for (const { id, hangs, ...changes } of before)
    sim.add(id, changes, hangs ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY)
  return sim
}

const lines = ({ steps, waits }: Plan) => [...steps, ...waits].map(describeStep)

describe('plan', () => {
  test('from any world, planning and applying reaches the desired one, and then the plan is empty', () => {
    fc.assert(
      fc.property(desiredWorlds, observedWorlds, (desired, before) => {
        const sim = simOf(desired, before)
        // Two minutes: an agent that never came up is given one, and roles roll one by one.
        for (let pass = 0; pass < 120; pass++) sim.pass()
        const after = [...sim.runs.values()].map(({ unit }) => unit)
        expect(new Map(after.map((unit) => [unit.id, unit.specHash]))).toEqual(
          new Map(desired.map((unit) => [unit.id, unit.specHash])),
        )
        for (const { id, state } of after) expect(state, id).toBe('running')
        for (const { id, unit } of desired) if (unit.kind === 'agent') expect(sim.isHealthy(id), id).toBe(true)
        expect(lines(sim.pass())).toEqual([])
      }),
      { numRuns: 200 },
    )
  })

  test('one pass reaches it where nothing that is healthy has to be replaced, and nothing failed before', () => {
    const absent = observedWorlds.map((before) => before.filter(({ state }) => state !== 'running'))
    fc.assert(
      fc.property(desiredWorlds, absent, (desired, before) => {
        const sim = simOf(desired, before)
        sim.pass()
        expect([...sim.runs.keys()].sort()).toEqual(desired.map(({ id }) => id).sort())
        expect(lines(sim.pass())).toEqual([])
      }),
      { numRuns: 200 },
    )
  })

  test('no pass takes a role below all but one of its wanted agents healthy, whatever happens meanwhile', () => {
    const what = fc.constantFrom('crash' as const, 'hang' as const, 'drift' as const, 'nothing' as const)
    const story = fc.array(fc.tuple(what, fc.constantFrom(...IDS)), { maxLength: 40 })
    fc.assert(
      fc.property(desiredWorlds, observedWorlds, story, (desired, before, happenings) => {
        const sim = simOf(desired, before)
        for (const [happening, id] of happenings) {
          sim.happens(happening, id)
          sim.nowMs += 1_000
          const healthy = new Set(sim.desired.map((unit) => unit.id).filter((one) => sim.wasHealthy(one)))
          expect(keepsMinimum(sim, sim.pass(0).steps, healthy)).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('touches nothing that is as wanted or at work, names each unit once, and gives each step a cause', () => {
    fc.assert(
      fc.property(desiredWorlds, observedWorlds, fc.subarray(IDS), (desired, before, busy) => {
        const sim = simOf(desired, before)
        const wanted = new Map(desired.map((unit) => [unit.id, unit.specHash]))
        const { steps, waits } = sim.pass(1_000, { busy: new Set(busy) })
        const named = [...steps, ...waits].map((step) => planLine(step).id)
        expect(new Set(named).size).toBe(named.length)
        for (const { id, specHash, state } of before)
          if (busy.includes(id) || (state === 'running' && wanted.get(id) === specHash)) expect(named).not.toContain(id)
        for (const id of named) expect(IDS).toContain(id)
        for (const step of [...steps, ...waits])
          expect(describeStep(step)).toMatch(/^(start|stop|replace|wait) \S+: \S/)
      }),
    )
  })

  test('stops come first, the highest replica first, each with the grace of its role; starts in the order that is wanted', () => {
    const spec = simSpec('executor')
    if (spec.roles.executor) spec.roles.executor.graceSeconds = 42
    const sim = new FleetSim(spec, [unitSpec('executor-1'), unitSpec('hub'), unitSpec('bot')])
    for (const n of [1, 2, 10, 3]) sim.add(`executor-${n}`)
    const { steps } = sim.pass()
    expect(steps.map(describeStep)).toEqual([
      'stop executor-10: not wanted any more',
      'stop executor-3: not wanted any more',
      'stop executor-2: not wanted any more',
      'start hub: wanted and not there',
      'start bot: wanted and not there',
    ])
    expect(steps[0]).toMatchObject({ graceMs: 42_000 })
  })

  test.each([
    [{ state: 'exited', exitCode: 3 }, 'exited with 3'],
    [{ state: 'exited', exitCode: 137 }, 'was killed (exit 137)'],
    [{ state: 'exited', exitCode: null }, 'exited with an unknown code'],
    [{ state: 'exited', exitCode: 134 }, 'out of heap: Node ended itself (exit 134)'],
    [{ state: 'exited', exitCode: 137, oomKilled: true }, 'out of memory: the kernel killed it'],
    [
      { state: 'exited', exitCode: 137, oomKilled: true, memoryLimitBytes: 96 * 1024 * 1024 },
      'out of memory: the kernel killed it at its limit of 96 MB',
    ],
    [{ state: 'created' }, 'created and never started'],
    [{ specHash: 'b', state: 'exited' }, 'its description changed from b to a'],
  ] as const)('the cause of a start says what was seen: %j', (seen, cause) => {
    const sim = new FleetSim(simSpec('executor'), [unitSpec('executor-1')])
    sim.runs.set('executor-1', {
      unit: observedUnit('executor-1', seen),
      startedMs: 0,
      behaves: { bootMs: 0, crashMs: 0 },
      silentMs: 0,
    })
    expect(lines(sim.pass())).toEqual([`start executor-1: ${cause}`])
  })
})

describe('a rolling replacement', () => {
  const three = (specHash: string) => [1, 2, 3].map((n) => unitSpec(`executor-${n}`, specHash))

  test('takes one of a role at a time, and the next when the last is healthy; roles roll side by side', () => {
    const sim = new FleetSim(simSpec(...ROLES), [...three('b'), unitSpec('planner-1', 'b')], () => ({
      bootMs: 2_500,
      crashMs: Number.POSITIVE_INFINITY,
    }))
    for (const id of ['executor-1', 'executor-2', 'executor-3', 'planner-1']) sim.add(id)
    expect(lines(sim.pass())).toEqual([
      'replace executor-1: its description changed from a to b',
      'replace planner-1: its description changed from a to b',
      'wait executor-2: its description changed from a to b; waits until the others of executor are healthy',
      'wait executor-3: its description changed from a to b; waits until the others of executor are healthy',
    ])
    const least: number[] = []
    for (let pass = 0; pass < 10; pass++) {
      sim.pass()
      least.push(sim.healthyOf('executor'))
    }
    expect(Math.min(...least)).toBe(2)
    expect(sim.taken).toEqual(['replace executor-1', 'replace planner-1', 'replace executor-2', 'replace executor-3'])
    expect(lines(sim.pass())).toEqual([])
  })

  test('does not count on one that was to beat twice since, though its last heartbeat is still there', () => {
    const sim = new FleetSim(simSpec(...ROLES), [unitSpec('executor-1'), unitSpec('executor-2')])
    for (const n of [1, 2]) sim.add(`executor-${n}`)
    sim.pass()
    sim.happens('hang', 'executor-1')
    for (let pass = 0; pass < 6; pass++) sim.pass()
    sim.happens('drift', 'executor-2')
    expect(lines(sim.pass())).toEqual([expect.stringMatching(/^wait executor-2: .* until the others of executor/)])
  })

  test('stops at the first that does not come up again, and mends it first when the description changes again', () => {
    const broken = (unit: { specHash: string }) => ({
      bootMs: unit.specHash === 'b' ? Number.POSITIVE_INFINITY : 500,
      crashMs: Number.POSITIVE_INFINITY,
    })
    const sim = new FleetSim(simSpec(...ROLES), three('b'), broken)
    for (const n of [1, 2, 3]) sim.add(`executor-${n}`)
    for (let pass = 0; pass < 50; pass++) sim.pass()
    expect(sim.taken).toEqual(['replace executor-1'])
    expect(sim.healthyOf('executor')).toBe(2)
    sim.desired = three('c')
    expect(sim.pass().steps.map(describeStep)).toEqual(['replace executor-1: its description changed from b to c'])
    for (let pass = 0; pass < 10; pass++) sim.pass()
    expect(sim.healthyOf('executor')).toBe(3)
    expect(lines(sim.pass())).toEqual([])
  })
})
