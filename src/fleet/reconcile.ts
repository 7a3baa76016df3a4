import type { Engine, ObservedUnit, UnitSpec } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import type { NewFleetEvent } from '../protocol/event.ts'
import { type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { keys, leases, streams } from '../protocol/keys.ts'
import type { LogLevel } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'
import { Bell } from './bell.ts'
import { describeStep, plan, type Step } from './plan.ts'

/** Between two looks when nothing nudges. */
const LOOK_EVERY_MS = 10_000
const LEASE_MS = 15_000
const FAULT_MS = 1_000
/** Between two looks however often it is nudged. */
const LEAST_MS = 100
const STOP_GRACE_MS = 10_000
/** Twice the cores is where more gains nothing: facts on starting containers; 4 is that on the smallest machine we know. */
const CONCURRENCY = 4
const BACKOFF_MAX_MS = 30_000

/** By id: how often a unit ended by itself, and until when it may not start again (milliseconds of the clock). */
type Crashes = Map<string, { count: number; until: number }>

export interface Reconciler {
  memory: SharedMemory
  engine: Engine
  /** Which units a wanted fleet consists of. */
  unitsOf(wanted: Wanted): UnitSpec[]
  /** Which of the engine's units are this reconciler's to keep (never itself). */
  keeps(id: string): boolean
  owner: string
  log(level: LogLevel, message: string): void
}

/** Keeps the fleet until the signal aborts: takes the lease, looks, plans, applies, waits for a nudge or the clock. */
export async function runReconciler(reconciler: Reconciler, signal: AbortSignal): Promise<void> {
  const { engine, memory, owner } = reconciler
  const crashes: Crashes = new Map()
  const bell = new Bell([() => engine.changes(signal), () => memory.watch({ prefixes: [keys.wanted] }, signal)], signal)
  while (!signal.aborted) {
    let waitMs: number = LOOK_EVERY_MS
    try {
      const lease = await memory.lease(leases.reconciler, owner, LEASE_MS)
      if (lease)
        waitMs = await keepWhole(reconciler, crashes, async () => !signal.aborted && (await lease.renew(LEASE_MS)))
    } catch (thrown) {
      const error = asFleetError(thrown)
      reconciler.log(error.transient ? 'warn' : 'error', `a pass of the reconciler failed: ${error.message}`)
      waitMs = FAULT_MS
    }
    await bell.wait(waitMs, LEAST_MS)
  }
  const lease = await memory.lease(leases.reconciler, owner, LEASE_MS).catch(() => undefined)
  await lease?.release().catch(() => undefined)
}

/** One pass. Returns the steps taken; throws FleetError when it could not see, or naming every step that failed. */
export async function reconcileOnce(
  reconciler: Reconciler,
  holdBack: ReadonlySet<string> = new Set(),
  goOn: () => Promise<boolean> = async () => true,
): Promise<Step[]> {
  const wanted = await readAs(reconciler.memory, keys.wanted, WantedSchema)
  if (!wanted)
    throw new FleetError('not_found', 'shared memory does not say which fleet is wanted', {
      remedy: 'Run arbdeck up again: it writes it.',
      transient: true,
    })
  const observed = (await reconciler.engine.list()).filter((unit) => reconciler.keeps(unit.id))
  const steps = plan(
    reconciler.unitsOf(wanted.value).filter((unit) => reconciler.keeps(unit.id)),
    observed,
    holdBack,
  )
  const failures = await applyAll(reconciler, steps, goOn)
  if (failures.length > 0)
    throw new FleetError('engine_refused', failures.join('; '), {
      remedy: 'See the engine and arbdeck logs; it is tried again.',
      transient: true,
    })
  return steps
}

/** @returns how long to wait before the next look, at most */
async function keepWhole(reconciler: Reconciler, crashes: Crashes, goOn: () => Promise<boolean>): Promise<number> {
  const held = heldBack(await reconciler.engine.list(), crashes, Date.now())
  await reconcileOnce(reconciler, held, goOn)
  return held.size === 0 ? LOOK_EVERY_MS : FAULT_MS
}

/** Units that exited wait 1, 2, 4, … 30 s before they are started again; a minute of running clears the count. */
export function heldBack(observed: readonly ObservedUnit[], crashes: Crashes, at: number): Set<string> {
  const held = new Set<string>()
  for (const unit of observed) {
    const before = crashes.get(unit.id)
    if (unit.state === 'running') {
      if (before && at > before.until + 60_000) crashes.delete(unit.id)
      continue
    }
    if (before && at < before.until) {
      held.add(unit.id)
      continue
    }
    const count = (before?.count ?? -1) + 1
    crashes.set(unit.id, { count, until: at + Math.min(BACKOFF_MAX_MS, 1_000 * 2 ** count) })
  }
  return held
}

async function applyAll(
  reconciler: Reconciler,
  steps: readonly Step[],
  goOn: () => Promise<boolean>,
): Promise<string[]> {
  const failures: string[] = []
  const queue = [...steps]
  const worker = async () => {
    for (let step = queue.shift(); step && (await goOn()); step = queue.shift()) {
      reconciler.log('info', describeStep(step))
      try {
        if (step.kind === 'start') await reconciler.engine.start(step.unit)
        else await reconciler.engine.stop(step.id, { graceMs: STOP_GRACE_MS, remove: true })
        await say(reconciler, step)
      } catch (thrown) {
        failures.push(`${describeStep(step)}: ${asFleetError(thrown).message}`)
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  return failures
}

async function say(reconciler: Reconciler, step: Step): Promise<void> {
  const event: NewFleetEvent = {
    type: 'step',
    kind: step.kind,
    id: step.kind === 'start' ? step.unit.id : step.id,
    cause: step.cause,
  }
  await reconciler.memory.stream(streams.events).append({ at: now(), ...event })
}
