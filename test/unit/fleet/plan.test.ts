import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeStep, plan, type Step } from '../../../src/fleet/plan.ts'
import type { ObservedUnit, UnitSpec } from '../../../src/ports/engine/engine.ts'
import { observedUnit, unitSpec } from '../../fixtures/units.ts'

const IDS = [
  'hub',
  'bot',
  'sandbox',
  ...['executor', 'planner'].flatMap((role) => [1, 2, 3, 4].map((n) => `${role}-${n}`)),
]
const hash = fc.constantFrom('a', 'b')
const desiredWorlds = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...IDS), hash), { selector: ([id]) => id })
  .map((units) => units.map(([id, h]) => unitSpec(id, h)))
const observedWorlds = fc
  .uniqueArray(
    fc.record({
      id: fc.constantFrom(...IDS),
      specHash: hash,
      state: fc.constantFrom('created', 'running', 'exited'),
      exitCode: fc.constantFrom(null, 0, 1, 137),
      oomKilled: fc.boolean(),
    }),
    { selector: ({ id }) => id },
  )
  .map((units) => units.map(({ id, ...rest }) => observedUnit(id, rest as Partial<ObservedUnit>)))

/** What an engine that keeps its promise shows after the steps. */
function applied(steps: readonly Step[], observed: readonly ObservedUnit[]): ObservedUnit[] {
  const world = new Map(observed.map((unit) => [unit.id, unit]))
  for (const step of steps)
    if (step.kind === 'stop') world.delete(step.id)
    else world.set(step.unit.id, observedUnit(step.unit.id, { specHash: step.unit.specHash }))
  return [...world.values()]
}
const asMap = (units: readonly (UnitSpec | ObservedUnit)[]) => new Map(units.map((unit) => [unit.id, unit.specHash]))

describe('plan', () => {
  test('from any world, one plan reaches the desired one and the next plan is empty', () => {
    fc.assert(
      fc.property(desiredWorlds, observedWorlds, (desired, observed) => {
        const after = applied(plan(desired, observed), observed)
        expect(asMap(after)).toEqual(asMap(desired))
        expect(after.every((unit) => unit.state === 'running')).toBe(true)
        expect(plan(desired, after)).toEqual([])
      }),
      { numRuns: 500 },
    )
  })

  test('touches nothing that is as wanted, names each unit once, and gives each step a cause', () => {
    fc.assert(
      fc.property(desiredWorlds, observedWorlds, (desired, observed) => {
        const steps = plan(desired, observed)
        const named = steps.map((step) => (step.kind === 'start' ? step.unit.id : step.id))
        expect(new Set(named).size).toBe(named.length)
        const wanted = asMap(desired)
        for (const unit of observed)
          if (unit.state === 'running' && wanted.get(unit.id) === unit.specHash) expect(named).not.toContain(unit.id)
        for (const step of steps) expect(describeStep(step)).toMatch(/^(start|stop) \S+: \S/)
      }),
    )
  })

  test('what is held back is not started, whatever else is done', () => {
    fc.assert(
      fc.property(desiredWorlds, observedWorlds, fc.subarray(IDS), (desired, observed, held) => {
        const all = plan(desired, observed)
        const without = all.filter((step) => step.kind === 'stop' || !held.includes(step.unit.id))
        expect(plan(desired, observed, new Set(held))).toEqual(without)
      }),
    )
  })

  test('stops come first, the highest replica first; starts in the order that is wanted', () => {
    const observed = ['executor-1', 'executor-2', 'executor-10', 'executor-3'].map((id) => observedUnit(id))
    const steps = plan([unitSpec('executor-1'), unitSpec('hub'), unitSpec('bot')], observed)
    expect(steps.map(describeStep)).toEqual([
      'stop executor-10: not wanted any more',
      'stop executor-3: not wanted any more',
      'stop executor-2: not wanted any more',
      'start hub: wanted and not there',
      'start bot: wanted and not there',
    ])
  })

  test.each([
    [{ state: 'exited', exitCode: 137 }, 'exited with 137'],
    [{ state: 'exited', exitCode: null }, 'exited with an unknown code'],
    [{ state: 'exited', exitCode: 137, oomKilled: true }, 'killed: out of memory'],
    [{ state: 'created' }, 'created and never started'],
    [{ specHash: 'b' }, 'its description changed from b to a'],
  ] as const)('the cause of a start says what was seen: %j', (seen, cause) => {
    expect(plan([unitSpec('hub')], [observedUnit('hub', seen)])).toEqual([
      { kind: 'start', unit: unitSpec('hub'), cause },
    ])
  })
})
