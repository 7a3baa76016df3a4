import { afterEach, expect, test } from 'vitest'
import { fleetUnits } from '../../../src/fleet/units.ts'
import { keepDockerWhole } from '../../../src/launch/keep-whole.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys, leases } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { testWanted } from '../../fixtures/wanted.ts'
import { openWorld, type World } from '../../fixtures/world.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const NONE = Object.fromEntries(Object.keys(testWanted().counts).map((role) => [role, 0]))
const wanted = testWanted({ counts: { ...NONE, executor: 1 } })

/** All of the fleet but one executor runs. */
async function fleet(): Promise<{ world: World; memory: SharedMemory; beat(): Promise<unknown> }> {
  const world = openWorld()
  ends.push(() => world.engine.close())
  const memory = await openMemory('embedded:', { fleet: 'test' })
  await memory.write(keys.wanted, wanted)
  for (const unit of fleetUnits(wanted)) if (unit.id !== 'executor-1') await world.engine.start(unit)
  world.acts.splice(0)
  const beat = () => memory.write(keys.service('controller'), { name: 'controller', state: 'healthy', at: now() })
  return { world, memory, beat }
}

test('while a controller keeps the fleet nothing is done', async () => {
  const { world, memory, beat } = await fleet()
  await beat()
  await keepDockerWhole(world.engine, memory)
  expect(world.acts).toEqual([])
})

test('a controller that was killed a moment ago is started, though its heartbeat lives on and its lease is held; it does the rest', async () => {
  const { world, memory, beat } = await fleet()
  await beat()
  await memory.lease(leases.reconciler, 'controller', 15_000)
  await world.crash('controller')
  await keepDockerWhole(world.engine, memory)
  expect(world.acts).toEqual(['start controller'])
})

test('where one runs and says nothing, the fleet is made whole here, unless somebody else holds the lease', async () => {
  const { world, memory } = await fleet()
  const lease = await memory.lease(leases.reconciler, 'another', 15_000)
  await keepDockerWhole(world.engine, memory)
  expect(world.acts).toEqual([])
  await lease?.release()
  await Promise.all([keepDockerWhole(world.engine, memory), keepDockerWhole(world.engine, memory)])
  expect(world.acts).toEqual(['start executor-1'])
  expect(await memory.lease(leases.reconciler, 'next', 1_000), 'the lease is given back').toBeDefined()
})
