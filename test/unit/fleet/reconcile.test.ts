import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { reconcileOnce, startsAtOnce } from '../../../src/fleet/reconcile.ts'
import type { UnitSpec } from '../../../src/ports/engine/engine.ts'
import { leases, streams } from '../../../src/protocol/keys.ts'
import { endKept, keep, keptFleet, runningIds } from '../../fixtures/kept-fleet.ts'
import { unitSpec } from '../../fixtures/units.ts'
import { outage, soon, ways } from '../../fixtures/world.ts'

afterEach(endKept)

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
      const kept = await keptFleet({
        unitsOf: () => [...wanted, unitSpec('hub', 'three')],
        keeps: (id) => id !== 'hub',
      })
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
  const kept = await keptFleet()
  await kept.world.engine.start(unitSpec('executor-1'))
  await expect(reconcileOnce(kept.reconciler)).rejects.toMatchObject({ code: 'not_found' })
  expect(await runningIds(kept)).toEqual(['executor-1'])
  expect(kept.world.acts).toEqual(['start executor-1'])
})

test('a pass goes on past a unit that cannot be started, and then names it and why', async () => {
  const kept = await keptFleet()
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
  const kept = await keptFleet()
  await kept.want({ executor: 3 })
  await reconcileOnce(kept.reconciler, async () => false)
  expect(kept.world.acts).toEqual([])
})

test('every step that was done is an event with its cause', async () => {
  const kept = await keptFleet()
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

test('a step that takes long keeps no other from being taken', async () => {
  const kept = await keptFleet()
  await kept.want({ executor: 3 })
  keep(kept.reconciler)
  await soon('three run', async () => (await runningIds(kept)).length === 3)
  kept.world.drains.set('executor-3', 3_000)
  await kept.want({ executor: 2 })
  await soon('it drains', () => kept.world.acts.includes('stop executor-3'))
  await kept.world.crash('executor-1')
  await soon('the other is back', () => kept.world.acts.filter((act) => act === 'start executor-1').length === 2, 1_500)
  expect((await kept.world.engine.list()).map(({ id }) => id)).toContain('executor-3')
})

test('starts at once: twice the cores, 4 at least', () => {
  expect([1, 2, 3, 8].map(startsAtOnce)).toEqual([4, 4, 6, 16])
})

test('no more are started at once than it is told', async () => {
  let now = 0
  let most = 0
  const kept = await keptFleet({ concurrency: 3 })
  const { engine } = kept.world
  const slow = Object.assign(Object.create(engine), {
    list: () => engine.list(),
    start: async (unit: UnitSpec) => {
      most = Math.max(most, ++now)
      await pause(5)
      await engine.start(unit)
      now--
    },
  })
  await kept.want({ executor: 10 })
  await reconcileOnce({ ...kept.reconciler, engine: slow })
  expect(await runningIds(kept)).toHaveLength(10)
  expect(most).toBe(3)
})

test('counts written to shared memory are what runs within a second, up and down', async () => {
  const kept = await keptFleet()
  await kept.want({ executor: 1 })
  keep(kept.reconciler)
  await soon('one runs', async () => (await runningIds(kept)).length === 1, 1_000)
  await kept.want({ executor: 3, planner: 1 })
  await soon('four run', async () => (await runningIds(kept)).length === 4, 1_000)
  await kept.want({ executor: 2 })
  await soon('two run', async () => (await runningIds(kept)).join() === 'executor-1,executor-2', 1_000)
})

test('a unit that crashed runs again by itself', async () => {
  const kept = await keptFleet()
  await kept.want({ executor: 1 })
  keep(kept.reconciler)
  await soon('it runs', async () => (await runningIds(kept)).length === 1)
  await kept.world.crash('executor-1')
  await soon('it runs again at once', async () => kept.world.acts.length === 2, 500)
  expect(kept.lines).toContain('info start executor-1: exited with 1')
})

test('a start that fails is said and tried again until it works', async () => {
  const kept = await keptFleet()
  await kept.want({ executor: 1 })
  kept.world.refusals.set('executor-1', 1)
  keep(kept.reconciler)
  await soon('it runs', async () => (await runningIds(kept)).length === 1, 3_000)
  expect(kept.lines.join('\n')).toMatch(/warn start executor-1: .*executor-1 cannot be started today/)
})

test('a server of shared memory that was killed is started again, by whoever kept the fleet last', async () => {
  const kept = await keptFleet({ unitsOf: () => [unitSpec('redis')] })
  await kept.want({})
  const { cut, ...near } = ways(kept.world.engine, kept.memory)
  keep({ ...kept.reconciler, ...near })
  await soon('it runs', async () => (await runningIds(kept)).length === 1)
  cut.memory = outage('memory_unreachable')
  await kept.world.crash('redis')
  await soon('it runs again', () => kept.world.acts.filter((act) => act === 'start redis').length === 2, 9_000)
  cut.memory = undefined
  expect(kept.lines).toContain('info start redis: shared memory does not answer, and it does not run')
})

test('while one holds the lease the other looks on; when the first lets go the other keeps the fleet', async () => {
  const kept = await keptFleet()
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
  const kept = await keptFleet()
  await kept.want({ executor: 2 })
  const end = keep(kept.reconciler)
  await soon('both run', async () => (await runningIds(kept)).length === 2)
  expect(await kept.memory.lease(leases.reconciler, 'other', 1_000)).toBeUndefined()
  await end()
  expect(await kept.memory.lease(leases.reconciler, 'other', 1_000)).toBeDefined()
  expect(await runningIds(kept)).toEqual(['executor-1', 'executor-2'])
})
