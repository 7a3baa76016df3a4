import type { Lease } from '../ports/memory/memory.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import { keys, leases } from '../protocol/keys.ts'
import type { LogLevel } from '../protocol/records.ts'
import { awaitedOfCompose, describeAwaited } from './adoption.ts'
import { Bell } from './bell.ts'
import { Hands } from './hands.ts'
import { Looker, type LookerParts, type Seen } from './look.ts'
import { type Plan, plan, type Step } from './plan.ts'
import { UsageWatch } from './usage-watch.ts'
import { type Vitals, watch } from './vitals.ts'

/** Between two looks when nothing nudges. */
const LOOK_EVERY_MS = 10_000
const LEASE_MS = 15_000
const FAULT_MS = 1_000
/** Between two looks however often it is nudged, and while many steps wait: a look costs the daemon an answer a unit. */
const LEAST_MS = 100
const LEAST_AT_WORK_MS = 500
/** And so many times what the last look took, within bounds: looking is a small part of what is done. */
const LOOK_SHARE = 10
const LOOK_GAP_MOST_MS = 1_500
/** The server of shared memory. Docker itself brings it back when it crashes; not when somebody killed it. */
const MEMORY_UNIT = 'redis'
const MEND_AFTER_MS = 5_000
/** Measured, facts on starting containers: more at once than twice the cores gains nothing and makes each slower. */
const STARTS_PER_CORE = 2
const LEAST_STARTS = 4

/** How many containers to start at once on a daemon of so many cores. */
export const startsAtOnce = (cores: number): number => Math.max(LEAST_STARTS, STARTS_PER_CORE * Math.floor(cores))

export interface Reconciler extends LookerParts {
  owner: string
  /** Starts at once; 4 unless told: see `startsAtOnce`. */
  concurrency?: number
  log(level: LogLevel, message: string): void
}

/** Keeps the fleet until the signal aborts: takes the lease, looks, plans, applies, waits for a nudge or the clock. */
export async function runReconciler(reconciler: Reconciler, signal: AbortSignal): Promise<void> {
  const { memory, owner, log } = reconciler
  let lease: Lease | undefined
  const holds = async (): Promise<boolean> => !signal.aborted && lease !== undefined && (await lease.renew(LEASE_MS))
  const bell = new Bell(
    [
      () => reconciler.engine.changes(signal),
      () => memory.watch({ prefixes: [keys.wanted] }, signal),
      // Heartbeats come all the time: they are of interest only to a step that waits for one.
      () => only(memory.watch({ prefixes: [keys.agents] }, signal), () => keeper.rolls),
    ],
    signal,
  )
  const keeper = new Keeper(reconciler, () => bell.ring())
  const usage = keeper.usage.run(signal)
  while (!signal.aborted) {
    let wait = { mostMs: LOOK_EVERY_MS, leastMs: LEAST_MS }
    try {
      if (!(await holds())) lease = await memory.lease(leases.reconciler, owner, LEASE_MS)
      if (lease) wait = await keeper.pass(holds)
      else keeper.lookAway()
    } catch (thrown) {
      keeper.lookAway()
      const error = asFleetError(thrown)
      log(error.transient ? 'warn' : 'error', `a pass of the reconciler failed: ${error.message}`)
      if (lease && error.code === 'memory_unreachable') await keeper.mendMemory()
      wait = { mostMs: FAULT_MS, leastMs: LEAST_MS }
    }
    await bell.wait(wait.mostMs, wait.leastMs)
  }
  await Promise.all([keeper.settled(), usage])
  await lease?.release().catch(() => undefined)
}

/** One pass, to its end. Returns the steps taken; throws FleetError when it could not see, or naming every step that failed. */
export async function reconcileOnce(
  reconciler: Reconciler,
  goOn: () => Promise<boolean> = async () => true,
): Promise<readonly Step[]> {
  const keeper = new Keeper(reconciler, () => undefined)
  await keeper.pass(goOn)
  const failures = await keeper.settled()
  if (failures.length === 0) return keeper.steps
  throw new FleetError('engine_refused', failures.join('; '), {
    remedy: 'See the engine and arbdeck logs; it is tried again.',
    transient: true,
  })
}

/** What a reconciler remembers from pass to pass: nothing that another could not find out by looking for a while. */
export class Keeper {
  readonly usage: UsageWatch
  /** Of the last pass: something waits for an agent to be healthy. */
  rolls = false
  /** Of the last pass. */
  steps: readonly Step[] = []
  readonly #looker: Looker
  readonly #hands: Hands
  readonly #reconciler: Reconciler
  readonly #beganMs = performance.now()
  #awaited = ''
  #vitals: Vitals | undefined
  /** Since when shared memory does not answer. */
  #outageMs: number | undefined

  constructor(reconciler: Reconciler, onDone: () => void) {
    this.#reconciler = reconciler
    const { engine, memory, log, concurrency = LEAST_STARTS } = reconciler
    this.#looker = new Looker(reconciler)
    this.#hands = new Hands({ engine, memory, concurrency, log, onDone })
    this.usage = new UsageWatch(engine, log)
  }

  /** Looks, plans, and begins the steps. @returns how long to wait before the next look */
  async pass(goOn: () => Promise<boolean>): Promise<{ mostMs: number; leastMs: number }> {
    const beganMs = performance.now()
    const seen = await this.#looker.look()
    const lookMs = performance.now() - beganMs
    this.#outageMs = undefined
    if (await this.#awaitsCompose(seen)) return { mostMs: FAULT_MS, leastMs: LEAST_MS }
    const nowMs = Date.now()
    this.#vitals = watch(this.#vitals, { nowMs, observed: seen.observed, beats: seen.beats })
    this.usage.watch(seen.observed, seen.wanted.spec)
    const { wanted, desired } = seen
    const next = plan({
      ...{ desired, observed: seen.observed, failures: seen.failures, spec: wanted.spec },
      ...{ vitals: this.#vitals, heavy: this.usage.heavy, busy: this.#hands.busy, nowMs },
    })
    await this.#apply(next, seen.failures, goOn)
    const least = this.#hands.busy.size > LEAST_STARTS ? LEAST_AT_WORK_MS : LEAST_MS
    const leastMs = Math.max(least, Math.min(lookMs * LOOK_SHARE, LOOK_GAP_MOST_MS))
    return { mostMs: Math.min(LOOK_EVERY_MS, next.againMs), leastMs }
  }

  async #awaitsCompose(seen: Seen): Promise<boolean> {
    const { memory, log } = this.#reconciler
    const awaited = describeAwaited(await awaitedOfCompose(memory, seen, performance.now() - this.#beganMs))
    if (awaited !== '' && awaited !== this.#awaited) log('info', awaited)
    this.#awaited = awaited
    if (awaited !== '') this.lookAway()
    return awaited !== ''
  }

  /** Somebody else keeps the fleet, or it cannot be seen: what was heard before says nothing of what comes. */
  lookAway(): void {
    this.#vitals = undefined
    this.rolls = false
    this.usage.watch([], { roles: {} })
  }

  /**
   * Shared memory does not answer: where its own server has ended and Docker does not bring it back, it is started again. Nobody
   * else could, and whoever kept the fleet last may: starting what runs changes nothing.
   */
  async mendMemory(): Promise<void> {
    const unit = this.#looker.known.find(({ id }) => id === MEMORY_UNIT)
    this.#outageMs ??= Date.now()
    if (!unit || Date.now() - this.#outageMs < MEND_AFTER_MS) return
    const { engine, log } = this.#reconciler
    try {
      const now = (await engine.list()).find(({ id }) => id === MEMORY_UNIT)
      if (now?.state === 'running') return
      log('info', `start ${MEMORY_UNIT}: shared memory does not answer, and it does not run`)
      await engine.start(unit)
    } catch (thrown) {
      log('warn', asFleetError(thrown).message)
    }
  }

  settled(): Promise<string[]> {
    return this.#hands.settled()
  }

  async #apply({ steps, waits, rolls }: Plan, failures: Parameters<Hands['begin']>[1], goOn: () => Promise<boolean>) {
    this.rolls = rolls
    this.steps = steps
    await Promise.all(waits.flatMap(({ failed }) => (failed ? [this.#hands.record(failed)] : [])))
    this.#hands.begin(steps, failures, goOn)
  }
}

async function* only(nudges: AsyncIterable<void>, wanted: () => boolean): AsyncGenerator<void> {
  for await (const nudge of nudges) if (wanted()) yield nudge
}
