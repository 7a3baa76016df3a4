import { describe, expect, test } from 'vitest'
import { backoffMs } from '../../../src/fleet/failures.ts'
import { describeStep, type Plan } from '../../../src/fleet/plan.ts'
import { UsageWatch } from '../../../src/fleet/usage-watch.ts'
import type { Engine, Usage } from '../../../src/ports/engine/engine.ts'
import { FleetSim, simSpec } from '../../fixtures/fleet-sim.ts'
import { observedUnit, unitSpec } from '../../fixtures/units.ts'

const lines = ({ steps, waits }: Plan) => [...steps, ...waits].map(describeStep)
const NEVER = Number.POSITIVE_INFINITY
const TEN = [...[1, 2, 3, 4, 5].map((n) => `executor-${n}`), ...[1, 2, 3, 4, 5].map((n) => `planner-${n}`)]

/** A fleet whose agents run and are healthy, and have been looked at for a while. */
function fleet(ids: readonly string[] = TEN, roles = ['executor', 'planner']): FleetSim {
  const sim = new FleetSim(
    simSpec(...roles),
    ids.map((id) => unitSpec(id)),
  )
  for (const id of ids) sim.add(id)
  for (let pass = 0; pass < 5; pass++) sim.pass()
  expect(sim.taken).toEqual([])
  return sim
}

/** Passes until a step is taken. @returns the seconds, and the lines of that plan */
function untilStep(sim: FleetSim, most = 200): { seconds: number; said: string[] } {
  for (let seconds = 1; seconds <= most; seconds++) {
    const next = sim.pass()
    if (next.steps.length > 0) return { seconds, said: lines(next) }
  }
  return { seconds: most, said: [] }
}
const hang = (sim: FleetSim, id: string) => {
  const run = sim.runs.get(id)
  if (run) run.silentMs = sim.nowMs
}

describe('an agent that runs', () => {
  test('and whose heartbeat stops is replaced when the rule says so, without waiting for it to drain', () => {
    const sim = fleet()
    hang(sim, 'executor-2')
    const { seconds, said } = untilStep(sim)
    expect(seconds).toBe(20)
    expect(said).toEqual(['replace executor-2: hangs: it runs, and no heartbeat came for 20 s'])
    expect(sim.failures.get('executor-2')).toMatchObject({ count: 1, ill: true })
    expect(untilStep(sim, 60).said).toEqual([])
  })

  test('and never beat is given the time to start, which is longer', () => {
    const sim = fleet()
    sim.behaviour = () => ({ bootMs: NEVER, crashMs: NEVER })
    sim.desired = [...sim.desired, unitSpec('executor-6')]
    expect(sim.pass().steps).toHaveLength(1)
    const { seconds, said } = untilStep(sim)
    expect(seconds).toBe(61) // seen running a second after its start
    expect(said).toEqual(['replace executor-6: did not come up: no heartbeat within 60 s'])
  })

  test('and says for too long that it is unhealthy is replaced, with what it says', () => {
    const sim = fleet()
    const unwell = (at: number) => {
      const input = sim.input()
      const vital = input.vitals.units.get('planner-1')
      const units = new Map(input.vitals.units)
      if (vital) units.set('planner-1', { ...vital, healthy: false, unhealthyMs: input.nowMs - at, note: 'no bus' })
      return sim.pass(0, { vitals: { ...input.vitals, units } })
    }
    expect(lines(unwell(119_000))).toEqual([])
    expect(lines(unwell(120_000))).toEqual(['replace planner-1: unhealthy for 120 s: no bus'])
  })

  test('and leaks is replaced gently, while the rest of its role is well, and asked rarely', async () => {
    const sim = fleet()
    const nowMs = sim.input().nowMs
    const heavy = new Map([
      ['executor-1', { sinceMs: nowMs - 60_000, percent: 97 }],
      ['executor-2', { sinceMs: nowMs - 61_000, percent: 95 }],
      ['executor-3', { sinceMs: nowMs - 59_000, percent: 99 }],
    ])
    expect(lines(sim.pass(0, { heavy }))).toEqual([
      'replace executor-1: leaks memory: at 97 % of its limit for 60 s',
      'wait executor-2: leaks memory: at 95 % of its limit for 61 s; waits until the others of executor are healthy',
    ])
    expect(sim.failures.get('executor-1')).toMatchObject({ cause: expect.stringContaining('leaks'), ill: false })
  })
})

describe('who is not to blame is not replaced', () => {
  test('when shared memory was away, nobody: silence counts from when it answers again', () => {
    const sim = fleet()
    sim.nowMs += 60_000 // no look in between: memory did not answer
    sim.deaf = true
    for (let pass = 0; pass < 19; pass++) expect(lines(sim.pass())).toEqual([])
    sim.deaf = false
    expect(untilStep(sim, 100).said).toEqual([])
  })

  test('when another reconciler takes over it first listens', () => {
    const sim = fleet()
    hang(sim, 'executor-1')
    for (let pass = 0; pass < 15; pass++) sim.pass()
    sim.forget()
    expect(untilStep(sim).seconds).toBe(61) // it has not heard it even once
  })

  test('when all are silent at once one is tried, and the others only when that one came back', () => {
    const sim = fleet()
    sim.deaf = true
    const first = untilStep(sim)
    expect(first.said).toHaveLength(10)
    expect(first.said.filter((line) => line.startsWith('replace'))).toEqual([
      expect.stringMatching(/^replace executor-1: hangs/),
    ])
    expect(first.said[1]).toMatch(/^wait executor-2: hangs: .*; so do most: one is tried first$/)
    // It does not come up either: a minute later the next is tried. Ten agents are not torn down by an outage.
    for (let pass = 0; pass < 60; pass++) expect(sim.pass().steps).toEqual([])
    expect(sim.pass().steps.map(describeStep)).toEqual([expect.stringMatching(/^replace executor-2/)])
    sim.deaf = false
    expect(untilStep(sim, 100).said).toEqual([])
    expect(sim.taken).toEqual(['replace executor-1', 'replace executor-2'])
  })

  test('when all hang and a new one beats, all are replaced', () => {
    const sim = fleet()
    for (const id of TEN) hang(sim, id)
    expect(untilStep(sim).said.filter((line) => line.startsWith('replace'))).toHaveLength(1)
    expect(untilStep(sim, 5).said.filter((line) => line.startsWith('replace'))).toHaveLength(9)
    expect(untilStep(sim, 100).said).toEqual([])
  })

  test('when the hub is away, the images that it beats for are not judged, until it has been back for as long', () => {
    const sim = fleet(['hub', 'executor-1', 'ext-1', 'ext-2'], ['executor', 'ext'])
    const { ext } = sim.spec.roles
    if (ext) ext.image = { ref: 'x', command: [], port: 80, transport: 'sse', path: '/', user: '1:1' }
    hang(sim, 'hub')
    hang(sim, 'ext-1')
    hang(sim, 'ext-2')
    const { said } = untilStep(sim)
    expect(said).toEqual(['replace hub: hangs: it runs, and no heartbeat came for 20 s'])
    expect(untilStep(sim, 19).said).toEqual([])
    expect(untilStep(sim).said).toEqual([
      expect.stringMatching(/^replace ext-1: hangs/),
      expect.stringMatching(/^wait ext-2: hangs/),
    ])
  })

  test('the sandbox, which is its chain, is left alone whatever it says', () => {
    const sim = fleet(['sandbox', 'executor-1'])
    hang(sim, 'sandbox')
    expect(untilStep(sim).said).toEqual([])
  })
})

describe('back-off', () => {
  test('the first failure is answered at once, then after 1, 2, 4 … and never more than 30 seconds', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 100].map((count) => backoffMs(count) / 1_000)).toEqual([
      ...[0, 1, 2, 4, 8, 16, 30, 30, 30],
    ])
    const sim = fleet(['executor-1'])
    sim.behaviour = () => ({ bootMs: 100, crashMs: 100 })
    const run = sim.runs.get('executor-1')
    if (run) run.unit = { ...run.unit, state: 'exited', exitCode: 1 }
    const starts: number[] = []
    for (let at = 0; at < 40_000; at += 250) if (sim.pass(250).steps.length > 0) starts.push(at / 1_000)
    const gaps = starts.slice(1).map((at, i) => at - (starts[i] as number))
    expect(starts[0]).toBe(0)
    for (const [i, pause] of [1, 2, 4, 8, 16].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(pause)
      expect(gaps[i]).toBeLessThanOrEqual(pause + 0.5)
    }
    expect(lines(sim.pass(1_000))).toEqual([
      expect.stringMatching(/^wait executor-1: exited with 1, 7 times in a row; starts again in \d+ s$/),
    ])
  })

  test('a minute without a failure ends the row; another description is tried at once', () => {
    const sim = fleet(['executor-1'])
    const crash = () => {
      const run = sim.runs.get('executor-1')
      if (run) run.unit = { ...run.unit, state: 'exited', exitCode: 1 }
    }
    for (let i = 0; i < 4; i++) {
      crash()
      untilStep(sim)
    }
    crash()
    expect(lines(sim.pass(0))).toEqual([expect.stringContaining('5 times in a row')])
    sim.desired = [unitSpec('executor-1', 'b')]
    expect(lines(sim.pass(1))).toEqual(['start executor-1: its description changed from a to b'])
    for (let pass = 0; pass < 70; pass++) sim.pass()
    crash()
    expect(lines(sim.pass(0))).toEqual(['start executor-1: exited with 1'])
    expect(sim.failures.get('executor-1')?.count).toBe(1)
  })
})

describe('the watch on memory', () => {
  const LIMIT = 100
  const used = new Map<string, Usage>()
  const asked: (readonly string[])[] = []
  const engine = {
    name: 'docker',
    usage: async (ids: readonly string[]) => {
      asked.push(ids)
      return new Map([...used].filter(([id]) => ids.includes(id)))
    },
  } as unknown as Engine
  const unit = (id: string) => observedUnit(id, { memoryLimitBytes: LIMIT })

  test('asks a thirtieth of the agents a second, remembers since when one is above, and forgets it with its run', async () => {
    const watch = new UsageWatch(engine, () => undefined)
    const spec = simSpec('executor')
    const units = Array.from({ length: 60 }, (_, i) => unit(`executor-${i + 1}`))
    watch.watch(units, spec)
    used.set('executor-2', { cpuPercent: 1, memoryBytes: 91 })
    used.set('executor-1', { cpuPercent: 1, memoryBytes: 90 })
    for (let tick = 0; tick < 60; tick++) await watch.tick(tick * 1_000)
    expect(asked.map((ids) => ids.length)).toEqual(Array(60).fill(2))
    expect(new Set(asked.slice(0, 30).flat()).size).toBe(60)
    expect([...watch.heavy]).toEqual([['executor-2', { sinceMs: 0, percent: 91 }]])
    watch.watch(
      units.map((one) => (one.id === 'executor-2' ? { ...one, startedAt: '2026-01-02T00:00:00.000Z' } : one)),
      spec,
    )
    expect([...watch.heavy]).toEqual([])
  })
})
