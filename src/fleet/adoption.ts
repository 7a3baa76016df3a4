import { z } from 'zod'
import type { ObservedUnit, UnitSpec } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { roleSpec, type Wanted } from '../protocol/fleet.ts'
import { keys } from '../protocol/keys.ts'

/**
 * A fleet that compose files make: who makes what is missing. `wanted`: compose, which is also about to say what is wanted;
 * `units`: compose, until every unit was there once; `adopted`: the reconciler. Absent: the reconciler, as ever.
 */
const AdoptionSchema = z.object({ phase: z.enum(['wanted', 'units', 'adopted']) })

/** So long after its start a reconciler waits for compose to say what is wanted: both start at the same moment. */
const SAY_MS = 10_000
const WANTED = 'wanted'
const SHOWN = 3

/** What is wanted was written by compose: its units come. */
export async function expectCompose(memory: SharedMemory): Promise<void> {
  await memory.write(keys.adoption, { phase: 'units' })
}

/** A reconciler of a composed fleet ends: whoever brings it up again makes what is missing. */
export async function leaveToCompose(memory: SharedMemory): Promise<void> {
  if (await memory.read(keys.adoption)) await memory.write(keys.adoption, { phase: 'wanted' })
}

/** arbdeck makes the fleet from now on. */
export async function forgetCompose(memory: SharedMemory): Promise<void> {
  await memory.write(keys.adoption, undefined)
}

/**
 * The units that compose is still to make; nobody else makes, replaces or removes any until there are none. When there are
 * none the fleet is the reconciler's.
 *
 * @param runsMs how long the one who asks has run
 * @returns their ids; `['wanted']` when compose has not yet said what is wanted
 */
export async function awaitedOfCompose(
  memory: SharedMemory,
  { wanted, desired, observed }: { wanted: Wanted; desired: readonly UnitSpec[]; observed: readonly ObservedUnit[] },
  runsMs: number,
): Promise<string[]> {
  const adoption = await readAs(memory, keys.adoption, AdoptionSchema)
  if (!adoption || adoption.value.phase === 'adopted') return []
  const hashes = new Map(observed.map((unit) => [unit.id, unit.specHash]))
  const composed = desired.filter((unit) => isComposed(unit, wanted))
  const missing = composed.filter((unit) => !hashes.has(unit.id)).map((unit) => unit.id)
  const asSaid = composed.every((unit) => hashes.get(unit.id) === unit.specHash)
  if (adoption.value.phase === 'wanted' && !asSaid && runsMs < SAY_MS) return [WANTED]
  if (missing.length > 0) return missing
  await memory.write(keys.adoption, { phase: 'adopted' }, { expect: adoption.version })
  return []
}

/** One line for the log; empty when nothing is awaited. */
export function describeAwaited(awaited: readonly string[]): string {
  if (awaited.length === 0) return ''
  if (awaited[0] === WANTED) return 'waits for the compose files to say what is wanted'
  const names = awaited.length > SHOWN ? `${awaited.slice(0, SHOWN).join(', ')} and others` : awaited.join(', ')
  return `waits for docker compose to make ${names}`
}

/** Compose makes as many of a role as the profile says, however many were set since. */
function isComposed({ unit }: UnitSpec, { spec, profile }: Wanted): boolean {
  return unit.kind === 'service' || unit.replica <= roleSpec(spec, unit.role).counts[profile]
}
