import type { Engine, UnitSpec } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import type { Wanted } from '../protocol/fleet.ts'
import { keys } from '../protocol/keys.ts'
import type { PlanLine } from '../protocol/plan-line.ts'
import { Looker, type LookerParts, type Seen } from './look.ts'
import { plan, planLine } from './plan.ts'
import { watch } from './vitals.ts'

/**
 * What a reconciler would do now, and what must wait; nothing is done. By one look: that something hangs, or leaks, takes longer
 * to tell.
 *
 * @param change what would be wanted instead of what is
 * @throws FleetError when it cannot see, `not_found` when nobody has said what is wanted
 */
export async function planNow(
  parts: LookerParts,
  change: (wanted: Wanted) => Wanted = (wanted) => wanted,
): Promise<PlanLine[]> {
  const seen = await new Looker(parts).look()
  const wanted = change(seen.wanted)
  const desired = wanted === seen.wanted ? seen.desired : parts.unitsOf(wanted).filter(({ id }) => parts.keeps(id))
  return planSeen({ ...seen, wanted, desired })
}

/** The same for a fleet that may not be there yet: without shared memory nobody beats, without an engine nothing runs. */
export async function planUnits(
  { engine, memory }: { engine?: Engine; memory?: SharedMemory | undefined },
  wanted: Wanted,
  desired: readonly UnitSpec[],
): Promise<PlanLine[]> {
  if (engine && memory && (await memory.read(keys.wanted)))
    return planNow({ engine, memory, unitsOf: () => [...desired], keeps: () => true }, () => wanted)
  const observed = (await engine?.list()) ?? []
  return planSeen({ wanted, desired, observed, beats: new Map(), failures: new Map() })
}

function planSeen({ wanted, desired, observed, beats, failures }: Seen): PlanLine[] {
  const nowMs = Date.now()
  const { steps, waits } = plan({
    ...{ desired, observed, failures, spec: wanted.spec, nowMs },
    ...{ vitals: watch(undefined, { observed, beats, nowMs }), heavy: new Map(), busy: new Set() },
  })
  return [...steps, ...waits].map(planLine)
}
