import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decide, oldestSeconds, type RoleLoad, type ScaleState } from '../../../src/fleet/autoscale.ts'
import { AutoscaleRuleSchema } from '../../../src/protocol/role-spec.ts'
import { type Arrival, type Change, recordedLoad, repeated, simulate } from '../../fixtures/queue-simulation.ts'

const idle: RoleLoad = { healthy: 4, waiting: 0, oldestSeconds: 0, cpuPercent: null }
const rule = AutoscaleRuleSchema.parse({ queuePerAgent: 4, oldestSeconds: 5 })
const role = { min: 1, max: 20, autoscale: rule }
const NOW = 1_000_000
const at = (count: number, load: Partial<RoleLoad>, before?: Partial<ScaleState>, nowMs = NOW) =>
  decide(role, {
    ...{ count, nowMs, load: { ...idle, healthy: count, ...load } },
    before: before && { base: 4, set: count, changedAt: 0, lowSince: null, ...before },
  })

describe('more agents', () => {
  test('as many as the queue takes, with the rule and the figures as the cause', () => {
    expect(at(4, { waiting: 28 })).toMatchObject({
      count: 7,
      cause: '28 messages wait for 4 agents, 4 each are allowed',
    })
  })

  test('at most twice as many at once, and never above max', () => {
    expect(at(4, { waiting: 400 }).count).toBe(8)
    expect(at(16, { waiting: 400 }).count).toBe(20)
    expect(at(20, { waiting: 400 })).toMatchObject({ count: 20, cause: null })
  })

  test('as old as the oldest is, when few wait long', () => {
    expect(at(4, { waiting: 1, oldestSeconds: 7.5 })).toMatchObject({
      count: 6,
      cause: 'the oldest waits for 7.5 s, 5 s are allowed',
    })
  })

  test('by cpu where the rule names it and it is known', () => {
    const byCpu = { ...role, autoscale: AutoscaleRuleSchema.parse({ cpuPercent: 50 }) }
    const ask = (cpuPercent: number | null) =>
      decide(byCpu, { count: 4, nowMs: NOW, before: undefined, load: { ...idle, cpuPercent } })
    expect(ask(74)).toMatchObject({ count: 6, cause: 'its agents use 74 % of a core each, 50 % are allowed' })
    expect(ask(null)).toMatchObject({ count: 4, cause: null })
  })

  test('not before the cooldown is over, and then at once', () => {
    const soon = { changedAt: NOW - 14_999 }
    expect(at(4, { waiting: 28 }, soon)).toMatchObject({ count: 4, cause: null })
    expect(at(4, { waiting: 28 }, soon, NOW + 1).count).toBe(7)
  })

  test('for those that are healthy, not for those that are wanted', () => {
    expect(at(4, { waiting: 8, healthy: 1 })).toMatchObject({ count: 4, cause: null })
    expect(at(4, { waiting: 17, healthy: 4 }).count).toBe(5)
  })
})

test('nothing is decided while no agent is healthy: they start, or more of them would not help', () => {
  expect(at(4, { waiting: 400, oldestSeconds: 60, healthy: 0 })).toMatchObject({ count: 4, cause: null })
})

describe('fewer agents', () => {
  const long = { changedAt: NOW - 500_000, lowSince: NOW - 120_000 }

  test('one at a time, when the load was low for the whole cooldown', () => {
    expect(at(8, {}, long)).toMatchObject({
      count: 7,
      cause: expect.stringContaining('load below 60 % of its rules for 120 s'),
    })
    expect(at(8, {}, { ...long, lowSince: NOW - 119_999 })).toMatchObject({ count: 8, cause: null })
  })

  test('the time begins anew with every moment that needs them all', () => {
    expect(at(8, { waiting: 20 }, long).state.lowSince).toBeNull()
    expect(at(8, {}, { ...long, lowSince: null }).state.lowSince).toBe(NOW)
  })

  test('never below what an operator set, unless the rule says so', () => {
    expect(at(4, {}, long)).toMatchObject({ count: 4, cause: null })
    const deeper = { ...role, autoscale: { ...rule, min: 2 } }
    const before = { base: 4, set: 4, ...long }
    expect(decide(deeper, { count: 4, load: idle, before, nowMs: NOW }).count).toBe(3)
    expect(decide({ ...deeper, min: 4 }, { count: 4, load: idle, before, nowMs: NOW }).count).toBe(4)
  })
})

test('a count that somebody else wrote is the new base, and begins a cooldown', () => {
  const { state } = at(10, {}, { set: 6, changedAt: 0 })
  expect(state).toEqual({ base: 10, set: 10, changedAt: NOW, lowSince: null })
})

describe('the age of the oldest', () => {
  const iso = (ms: number) => new Date(ms).toISOString()

  test('is nothing when nothing waits, and what was seen when nobody ever took one', () => {
    expect(oldestSeconds([{ waitedMs: 900, at: iso(NOW) }], null, NOW)).toBe(0)
    expect(oldestSeconds([], NOW - 2_500, NOW)).toBe(2.5)
  })

  test('is what the last one taken had waited, and grows while nobody takes another', () => {
    const took = [
      { waitedMs: 50, at: iso(NOW - 9_000) },
      { waitedMs: 300, at: iso(NOW - 1_000) },
    ]
    expect(oldestSeconds(took, NOW - 60_000, NOW)).toBe(1.3)
    expect(oldestSeconds(took, NOW - 60_000, NOW + 5_000)).toBe(6.3)
  })

  test('is never more than since something waits, when the queue was empty in between', () => {
    expect(oldestSeconds([{ waitedMs: 10, at: iso(NOW - 600_000) }], NOW - 400, NOW)).toBe(0.4)
  })
})

/** A change that takes back the one before it sooner than the cooldown of going down. */
const flaps = (changes: readonly Change[]): Change[] =>
  changes.filter((change, index) => {
    const last = changes[index - 1]
    if (!last || Math.sign(change.to - change.from) === Math.sign(last.to - last.from)) return false
    return change.atMs - last.atMs < rule.downCooldownSeconds * 1_000
  })

describe('against a recorded load', () => {
  const load = recordedLoad()
  const options = { rule, min: 1, max: 20, count: 4, hands: 1, untilMs: 1_800_000 }

  test('at its own pace the count settles and does not flap', () => {
    const { changes, counts } = simulate(repeated(load, 1, 0, options.untilMs), options)
    expect(load.length).toBeGreaterThan(300)
    expect(flaps(changes)).toEqual([])
    const settled = counts.slice(counts.length / 2)
    expect(Math.max(...settled) - Math.min(...settled)).toBeLessThanOrEqual(1)
  })

  test('four times as dense for five minutes: it follows, waits stay short, and what it added it gives back one by one', () => {
    const calm = repeated(load, 1, 0, options.untilMs).filter(([at]) => at < 600_000 || at > 900_000)
    const { changes, counts, waits } = simulate([...calm, ...repeated(load, 4, 600_000, 900_000)], options)
    expect(flaps(changes)).toEqual([])
    expect(Math.max(...counts)).toBeGreaterThanOrEqual(12)
    const late = waits.filter((ms) => ms > 30_000).length
    expect(late / waits.length).toBeLessThan(0.02)
    const down = changes.filter(({ from, to }) => to < from)
    expect(down.length).toBeGreaterThan(0)
    for (const { from, to } of down) expect(from - to).toBe(1)
    expect(counts.at(-1)).toBeLessThan(Math.max(...counts))
  })

  test('without the autoscaler the same burst would have waited for minutes', () => {
    const still = { ...options, max: 4 }
    const { waits } = simulate(repeated(load, 4, 0, 300_000), { ...still, untilMs: 600_000 })
    expect(Math.max(...waits)).toBeGreaterThan(60_000)
  })
})

test('whatever comes, the count stays within its bounds and no change takes back another before its cooldown', () => {
  const burst = fc.record({ at: fc.nat(600_000), tasks: fc.nat(120), ms: fc.integer({ min: 1, max: 4_000 }) })
  fc.assert(
    fc.property(fc.array(burst, { maxLength: 12 }), fc.integer({ min: 1, max: 8 }), (bursts, count) => {
      const arrivals = bursts.flatMap(({ at, tasks, ms }) => Array.from({ length: tasks }, (): Arrival => [at, ms]))
      const { changes, counts } = simulate(arrivals, { rule, min: 1, max: 12, count, hands: 2, untilMs: 900_000 })
      for (const one of counts) {
        expect(one).toBeGreaterThanOrEqual(count)
        expect(one).toBeLessThanOrEqual(12)
      }
      for (const change of changes) expect(change.cause).not.toBe('')
      const up = changes.filter(({ from, to }) => to > from)
      for (const [index, { atMs }] of up.entries())
        if (index > 0)
          expect(atMs - (up[index - 1] as Change).atMs).toBeGreaterThanOrEqual(rule.upCooldownSeconds * 1_000)
      const downThenUp = flaps(changes).filter(({ from, to }) => to < from)
      expect(downThenUp).toEqual([])
    }),
    { numRuns: 40 },
  )
})
