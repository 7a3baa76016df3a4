import type { ObservedUnit, UnitSpec } from '../ports/engine/engine.ts'
import { parseReplicaId } from '../protocol/fleet.ts'

/** One thing to do, and why. */
export type Step = { kind: 'start'; unit: UnitSpec; cause: string } | { kind: 'stop'; id: string; cause: string }

/**
 * What to do so that exactly the desired units run. Pure: applying it and planning again gives the empty plan.
 *
 * @param desired every unit that should run
 * @param observed every unit of the fleet that the engine knows, whole and fresh
 * @param holdBack ids that crashed a moment ago and may not start again yet
 * @returns stops first (surplus, highest replica first), then starts in the order of `desired`
 */
export function plan(
  desired: readonly UnitSpec[],
  observed: readonly ObservedUnit[],
  holdBack: ReadonlySet<string> = new Set(),
): Step[] {
  const wanted = new Map(desired.map((unit) => [unit.id, unit]))
  const seen = new Map(observed.map((unit) => [unit.id, unit]))
  const stops = observed
    .filter((unit) => !wanted.has(unit.id))
    .sort((a, b) => replicaOf(b.id) - replicaOf(a.id))
    .map((unit): Step => ({ kind: 'stop', id: unit.id, cause: 'not wanted any more' }))
  const starts = desired.flatMap((unit): Step[] => {
    const cause = startCause(unit, seen.get(unit.id))
    return cause === undefined || holdBack.has(unit.id) ? [] : [{ kind: 'start', unit, cause }]
  })
  return [...stops, ...starts]
}

function startCause(unit: UnitSpec, now: ObservedUnit | undefined): string | undefined {
  if (!now) return 'wanted and not there'
  if (now.specHash !== unit.specHash) return `its description changed from ${now.specHash} to ${unit.specHash}`
  if (now.state === 'running') return undefined
  if (now.state === 'created') return 'created and never started'
  return now.oomKilled ? 'killed: out of memory' : `exited with ${now.exitCode ?? 'an unknown code'}`
}

const replicaOf = (id: string): number => parseReplicaId(id)?.replica ?? 0

/** A step as a line of text: `start executor-2: wanted and not there`. */
export function describeStep(step: Step): string {
  return `${step.kind} ${step.kind === 'start' ? step.unit.id : step.id}: ${step.cause}`
}
