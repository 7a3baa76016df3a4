import { beforeEach, expect, test } from 'vitest'
import {
  awaitedOfCompose,
  describeAwaited,
  expectCompose,
  forgetCompose,
  leaveToCompose,
} from '../../../src/fleet/adoption.ts'
import { reconcileOnce } from '../../../src/fleet/reconcile.ts'
import { fleetUnits } from '../../../src/fleet/units.ts'
import type { Engine, ObservedUnit, UnitSpec } from '../../../src/ports/engine/engine.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { observedUnit } from '../../fixtures/units.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const LATER_MS = 60_000
const wanted = testWanted()
const desired = fleetUnits(wanted)
const madeOf = (units: readonly UnitSpec[]): ObservedUnit[] =>
  units.map(({ id, specHash, unit }) => ({ ...observedUnit(id), unit, specHash }))
const all = madeOf(desired)
const but = (id: string) => all.filter((unit) => unit.id !== id)

let memory: SharedMemory
beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'test' })
})
const awaited = (
  observed: readonly ObservedUnit[],
  runsMs = 0,
  more: Partial<Parameters<typeof awaitedOfCompose>[1]> = {},
) => awaitedOfCompose(memory, { wanted, desired, observed, ...more }, runsMs)

test('a fleet that compose does not make is the reconciler’s from the start', async () => {
  expect(await awaited([])).toEqual([])
})

test('compose makes what is missing until all was there once; from then on the reconciler does', async () => {
  await expectCompose(memory)
  expect(await awaited([], LATER_MS)).toHaveLength(desired.length)
  expect(await awaited(but('planner-1'), LATER_MS)).toEqual(['planner-1'])
  expect(await awaited(all, LATER_MS)).toEqual([])
  expect(await awaited(but('planner-1'))).toEqual([])
})

test('what was scaled above the profile is not compose’s to make, and what was scaled below it does no harm', async () => {
  await expectCompose(memory)
  const more = { ...wanted, counts: { ...wanted.counts, reviewer: 3, fixer: 0 } }
  expect(await awaited(all, 0, { wanted: more, desired: fleetUnits(more) })).toEqual([])
})

test('after an end in order compose makes the fleet again, and first says what is wanted', async () => {
  await expectCompose(memory)
  await awaited(all)
  await leaveToCompose(memory)
  expect(await awaited(but('hub'))).toEqual(['wanted'])
  await expectCompose(memory)
  expect(await awaited(but('hub'))).toEqual(['hub'])
})

test('of another manifest, all that is there is not enough: what is wanted must be said first, if it is said soon', async () => {
  await expectCompose(memory)
  await awaited(all)
  await leaveToCompose(memory)
  const other = all.map((unit) => ({ ...unit, specHash: 'other' }))
  expect(await awaited(other)).toEqual(['wanted'])
  expect(await awaited(other, LATER_MS)).toEqual([])
})

test('a reconciler that starts again in a whole fleet goes on at once', async () => {
  await expectCompose(memory)
  await awaited(all)
  await leaveToCompose(memory)
  expect(await awaited(all)).toEqual([])
})

test('a fleet that arbdeck up made anew, or that never was compose’s, is not left to compose', async () => {
  await leaveToCompose(memory)
  expect(await awaited([])).toEqual([])
  await expectCompose(memory)
  await forgetCompose(memory)
  expect(await awaited([])).toEqual([])
})

test('a pass takes no step while compose is at work, and says what it waits for', async () => {
  const asked: string[] = []
  const lines: string[] = []
  const engine = {
    list: async () => but('planner-1'),
    start: async ({ id }: UnitSpec) => void asked.push(id),
    stop: async (id: string) => void asked.push(id),
    usage: async () => new Map(),
  } as unknown as Engine
  const parts = { memory, engine, unitsOf: fleetUnits, keeps: () => true, owner: 'test' }
  const pass = () => reconcileOnce({ ...parts, log: (_level, line) => void lines.push(line) })
  await memory.write(keys.wanted, wanted)
  await expectCompose(memory)
  expect(await pass()).toEqual([])
  expect(asked).toEqual([])
  expect(lines).toEqual(['waits for docker compose to make planner-1'])
  await forgetCompose(memory)
  await pass()
  expect(asked).toContain('planner-1')
})

test('a line names a few of those that are awaited', () => {
  expect(describeAwaited([])).toBe('')
  expect(describeAwaited(['wanted'])).toMatch(/say what is wanted/)
  expect(describeAwaited(['a', 'b', 'c', 'd'])).toBe('waits for docker compose to make a, b, c and others')
})
