import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Keeper, type Reconciler, reconcileOnce } from '../../../src/fleet/reconcile.ts'
import type { Engine } from '../../../src/ports/engine/engine.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { unitSpec } from '../../fixtures/units.ts'
import { testWanted } from '../../fixtures/wanted.ts'
import { openWorld } from '../../fixtures/world.ts'

/** A process as its engine and memory see it: at its `at`th call it is killed, just before that call gets through or just after. */
function mortal(engine: Engine, memory: SharedMemory, at: number, when: 'before' | 'after') {
  let calls = 0
  let kill = () => {}
  const killed = new Promise<'killed'>((resolve) => {
    kill = () => resolve('killed')
  })
  let dead = false
  const never = new Promise<never>(() => undefined)
  const through = <T extends object>(far: T, counted: readonly string[]): T =>
    new Proxy(far, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (dead) return never
          if (!counted.includes(String(name)) || ++calls < at) return Reflect.apply(value, target, args)
          dead = true
          const last = when === 'after' ? Reflect.apply(value, target, args) : undefined
          void Promise.resolve(last).then(kill)
          return never
        }
      },
    })
  return {
    engine: through(engine, ['list', 'start', 'stop', 'logs']),
    memory: through(memory, ['read', 'list', 'write', 'stream']),
    killed,
  }
}

const IDS = ['executor-1', 'executor-2', 'planner-1', 'admin-1']
const things = fc.uniqueArray(
  fc.record({ id: fc.constantFrom(...IDS), hash: fc.constantFrom('a', 'b'), crashed: fc.boolean() }),
  { selector: ({ id }) => id },
)

test('killed at any step, it leaves a fleet that the next one makes as wanted; what is not its own is untouched', async () => {
  let deaths = 0
  await fc.assert(
    fc.asyncProperty(
      ...[things, things, fc.integer({ min: 1, max: 40 }), fc.constantFrom('before' as const, 'after' as const)],
      async (before, wish, at, when) => {
        const world = openWorld()
        const memory = await openMemory('embedded:', { fleet: 'test' })
        await memory.write(keys.wanted, testWanted())
        const wanted = wish.map(({ id, hash }) => unitSpec(id, hash))
        await world.engine.start(unitSpec('hub', 'stays'))
        for (const { id, hash, crashed } of before) {
          await world.engine.start(unitSpec(id, hash))
          if (crashed) await world.crash(id)
        }
        const hub = (await world.engine.list()).find(({ id }) => id === 'hub')
        const all: Reconciler = {
          ...{ memory, engine: world.engine, owner: 'test', log: () => undefined },
          unitsOf: () => wanted,
          keeps: (id) => id !== 'hub',
        }
        const { killed, ...cut } = mortal(world.engine, memory, at, when)
        const keeper = new Keeper({ ...all, ...cut }, () => undefined)
        const lived = keeper.pass(async () => true).then(() => keeper.settled())
        if ((await Promise.race([killed, lived])) === 'killed') deaths++
        for (let pass = 0; pass < 5; pass++) await reconcileOnce(all)
        const after = await world.engine.list()
        expect(after.find(({ id }) => id === 'hub')).toEqual(hub)
        const ours = after.filter(({ id }) => id !== 'hub')
        expect(ours.map(({ id, specHash }) => [id, specHash]).sort()).toEqual(
          wanted.map(({ id, specHash }) => [id, specHash]).sort(),
        )
        for (const { id, state } of ours) expect(state, id).toBe('running')
        expect(await reconcileOnce(all)).toEqual([])
        await world.engine.close()
      },
    ),
    { numRuns: 120 },
  )
  expect(deaths).toBeGreaterThan(40)
})
