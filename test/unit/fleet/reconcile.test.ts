import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { heldBack, type Reconciler, reconcileOnce, runReconciler } from '../../../src/fleet/reconcile.ts'
import type { UnitSpec } from '../../../src/ports/engine/engine.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { ROLE_NAMES, replicaId, type Wanted } from '../../../src/protocol/fleet.ts'
import { keys, leases, streams } from '../../../src/protocol/keys.ts'
import { observedUnit, unitSpec } from '../../fixtures/units.ts'
import { testWanted } from '../../fixtures/wanted.ts'
import { openWorld, soon, type World } from '../../fixtures/world.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

interface Kept {
  world: World
  memory: SharedMemory
  reconciler: Reconciler
  lines: string[]
  want(counts: Partial<Wanted['counts']>): Promise<void>
}

const unitsOf = (wanted: Wanted): UnitSpec[] =>
  ROLE_NAMES.flatMap((role) => Array.from({ length: wanted.counts[role] }, (_, i) => unitSpec(replicaId(role, i + 1))))
const NONE = Object.fromEntries(ROLE_NAMES.map((role) => [role, 0])) as Wanted['counts']

async function fleet(changes: Partial<Reconciler> = {}): Promise<Kept> {
  const world = openWorld()
  const memory = await openMemory('embedded:', { fleet: 'test' })
  const lines: string[] = []
  const reconciler: Reconciler = {
    memory,
    engine: world.engine,
    unitsOf,
    keeps: () => true,
    owner: 'first',
    log: (level, message) => lines.push(`${level} ${message}`),
    ...changes,
  }
  const want = async (counts: Partial<Wanted['counts']>) => {
    await memory.write(keys.wanted, testWanted({ counts: { ...NONE, ...counts } }))
  }
  ends.push(() => world.engine.close())
  return { world, memory, reconciler, lines, want }
}

/** Runs a reconciler until it is told to end. */
function keep(reconciler: Reconciler): () => Promise<void> {
  const life = new AbortController()
  const ended = runReconciler(reconciler, life.signal)
  const end = () => {
    life.abort()
    return ended
  }
  ends.unshift(end)
  return end
}

const runningIds = async ({ world }: Kept): Promise<string[]> =>
  (await world.engine.list())
    .filter((unit) => unit.state === 'running')
    .map((unit) => unit.id)
    .sort()

const IDS = ['hub', 'executor-1', 'executor-2', 'executor-3', 'planner-1', 'admin-1']
const world = fc.array(
  fc.record({ id: fc.constantFrom(...IDS), hash: fc.constantFrom('one', 'two'), crashed: fc.boolean() }),
)
const wish = fc.subarray(IDS.slice(1)).chain((ids) =>
  fc.record({
    ids: fc.constant(ids),
    hash: fc.constantFrom('one', 'two'),
  }),
)

test('from any world, one pass reaches the wanted one and the next does nothing; what is not ours is untouched', async () => {
  await fc.assert(
    fc.asyncProperty(world, wish, async (before, { ids, hash }) => {
      const wanted = ids.map((id) => unitSpec(id, hash))
      const kept = await fleet({ unitsOf: () => [...wanted, unitSpec('hub', 'three')], keeps: (id) => id !== 'hub' })
      await kept.want({})
      for (const { id, hash: old, crashed } of before) {
        await kept.world.engine.start(unitSpec(id, old))
        if (crashed) await kept.world.crash(id)
      }
      const hub = (await kept.world.engine.list()).find((unit) => unit.id === 'hub')
      await reconcileOnce(kept.reconciler)
      const after = await kept.world.engine.list()
      expect(after.find((unit) => unit.id === 'hub')).toEqual(hub)
      const ours = after.filter((unit) => unit.id !== 'hub')
      expect(ours.map((unit) => unit.id).sort()).toEqual([...ids].sort())
      for (const unit of ours) expect(unit).toMatchObject({ state: 'running', specHash: hash })
      const acts = kept.world.acts.length
      expect(await reconcileOnce(kept.reconciler)).toEqual([])
      expect(kept.world.acts).toHaveLength(acts)
    }),
    { numRuns: 60 },
  )
})

test('without a wanted fleet a pass is an error and touches nothing', async () => {
  const kept = await fleet()
  await kept.world.engine.start(unitSpec('executor-1'))
  await expect(reconcileOnce(kept.reconciler)).rejects.toMatchObject({ code: 'not_found' })
  expect(await runningIds(kept)).toEqual(['executor-1'])
  expect(kept.world.acts).toEqual(['start executor-1'])
})

test('a pass goes on past a unit that cannot be started, and then names it and why', async () => {
  const kept = await fleet()
  await kept.want({ executor: 1, planner: 1 })
  kept.world.refusals.set('executor-1', 1)
  await expect(reconcileOnce(kept.reconciler)).rejects.toMatchObject({
    code: 'engine_refused',
    transient: true,
    message: 'start executor-1: wanted and not there: executor-1 cannot be started today',
  })
  expect(await runningIds(kept)).toEqual(['planner-1'])
})

test('a pass ends at once when it may not go on: the lease is lost', async () => {
  const kept = await fleet()
  await kept.want({ executor: 3 })
  await reconcileOnce(kept.reconciler, new Set(), async () => false)
  expect(kept.world.acts).toEqual([])
})

test('every step that was done is an event with its cause', async () => {
  const kept = await fleet()
  await kept.want({ executor: 1 })
  await kept.world.engine.start(unitSpec('planner-7'))
  await reconcileOnce(kept.reconciler)
  const events = (await kept.memory.stream(streams.events).read()).map((entry) => entry.value)
  expect(events).toHaveLength(2)
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'step', kind: 'stop', id: 'planner-7', cause: 'not wanted any more' }),
  )
  expect(events).toContainEqual(
    expect.objectContaining({ type: 'step', kind: 'start', id: 'executor-1', cause: 'wanted and not there' }),
  )
})

test('a unit that ends again and again waits 1, 2, 4 … and never more than 30 seconds', () => {
  const crashes: Parameters<typeof heldBack>[1] = new Map()
  const dead = [observedUnit('executor-1', { state: 'exited', exitCode: 1 })]
  const waits: number[] = []
  let at = 1_000_000
  for (let i = 0; i < 7; i++) {
    expect(heldBack(dead, crashes, at).size, 'it may start now').toBe(0)
    const until = crashes.get('executor-1')?.until ?? 0
    expect([...heldBack(dead, crashes, until - 1)]).toEqual(['executor-1'])
    waits.push((until - at) / 1_000)
    at = until
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30])
})

test('a minute of running forgives, half a minute does not', () => {
  const dead = [observedUnit('executor-1', { state: 'exited' })]
  const alive = [observedUnit('executor-1')]
  const waitAfter = (ms: number) => {
    const crashes = new Map([['executor-1', { count: 3, until: 0 }]])
    heldBack(alive, crashes, ms)
    heldBack(dead, crashes, ms + 1)
    return (crashes.get('executor-1')?.until ?? 0) - (ms + 1)
  }
  expect(waitAfter(30_000)).toBe(16_000)
  expect(waitAfter(60_001)).toBe(1_000)
})

test('counts written to shared memory are what runs within a second, up and down', async () => {
  const kept = await fleet()
  await kept.want({ executor: 1 })
  keep(kept.reconciler)
  await soon('one runs', async () => (await runningIds(kept)).length === 1, 1_000)
  await kept.want({ executor: 3, planner: 1 })
  await soon('four run', async () => (await runningIds(kept)).length === 4, 1_000)
  await kept.want({ executor: 2 })
  await soon('two run', async () => (await runningIds(kept)).join() === 'executor-1,executor-2', 1_000)
})

test('a unit that crashed runs again by itself', async () => {
  const kept = await fleet()
  await kept.want({ executor: 1 })
  keep(kept.reconciler)
  await soon('it runs', async () => (await runningIds(kept)).length === 1)
  await kept.world.crash('executor-1')
  await soon('it runs again', async () => (await runningIds(kept)).length === 1 && kept.world.acts.length === 2)
  expect(kept.lines).toContain('info start executor-1: exited with 1')
})

test('a start that fails is said and tried again until it works', async () => {
  const kept = await fleet()
  await kept.want({ executor: 1 })
  kept.world.refusals.set('executor-1', 1)
  keep(kept.reconciler)
  await soon('it runs', async () => (await runningIds(kept)).length === 1, 3_000)
  expect(kept.lines.join('\n')).toMatch(/warn a pass of the reconciler failed: .*executor-1 cannot be started today/)
})

test('while one holds the lease the other looks on; when the first lets go the other keeps the fleet', async () => {
  const kept = await fleet()
  await kept.want({ executor: 1 })
  const endFirst = keep(kept.reconciler)
  await soon('the first keeps it', async () => (await runningIds(kept)).length === 1)
  const said: string[] = []
  keep({ ...kept.reconciler, owner: 'second', log: (_level, message) => said.push(message) })
  await kept.want({ executor: 2 })
  await soon('the first scales', async () => (await runningIds(kept)).length === 2)
  await pause(150)
  expect(said).toEqual([])
  await endFirst()
  await kept.want({ executor: 3 })
  await soon('the second scales', async () => (await runningIds(kept)).length === 3)
  expect(said).toEqual(['start executor-3: wanted and not there'])
})

test('an abort ends it, leaves the fleet as it is and gives the lease back', async () => {
  const kept = await fleet()
  await kept.want({ executor: 2 })
  const end = keep(kept.reconciler)
  await soon('both run', async () => (await runningIds(kept)).length === 2)
  expect(await kept.memory.lease(leases.reconciler, 'other', 1_000)).toBeUndefined()
  await end()
  expect(await kept.memory.lease(leases.reconciler, 'other', 1_000)).toBeDefined()
  expect(await runningIds(kept)).toEqual(['executor-1', 'executor-2'])
})
