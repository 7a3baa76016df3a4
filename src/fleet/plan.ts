import type { ObservedUnit, UnitSpec } from '../ports/engine/engine.ts'
import type { Failure } from '../protocol/failure.ts'
import { type FleetSpec, parseReplicaId } from '../protocol/fleet.ts'
import type { PlanLine } from '../protocol/plan-line.ts'
import { endOf, failureAfter, pauseMs } from './failures.ts'
import { type Heavy, type Ill, illnessOf, leakOf, mayReplace, ruleOf } from './health.ts'
import type { Vitals } from './vitals.ts'

/** One thing to do, and why. `failed` is what is to be recorded of the run that ends with it. */
export type Step =
  | { kind: 'start'; unit: UnitSpec; cause: string; failed?: Failure }
  /** Ends it as asked, waiting up to graceMs, then starts it as wanted. */
  | { kind: 'replace'; unit: UnitSpec; cause: string; graceMs: number; failed?: Failure }
  | { kind: 'stop'; id: string; cause: string; graceMs: number }

/** What is wanted and must wait. */
export interface Wait {
  kind: 'wait'
  id: string
  cause: string
  failed?: Failure
}

export interface Plan {
  /** Stops first, the highest replica first; then in the order of what is wanted. */
  steps: Step[]
  waits: Wait[]
  /** Something waits until an agent says that it is healthy. */
  rolls: boolean
  /** Without a change, the plan is the same for so long; Infinity: until something changes. */
  againMs: number
}

export interface PlanInput {
  /** Every unit that should run, in the order of their start. */
  desired: readonly UnitSpec[]
  /** Every unit of the fleet that the engine knows, whole and fresh. */
  observed: readonly ObservedUnit[]
  /** After a look at `observed`. */
  vitals: Vitals
  /** Units above their share of memory. */
  heavy: ReadonlyMap<string, Heavy>
  /** What failed before, by id. */
  failures: ReadonlyMap<string, Failure>
  spec: Pick<FleetSpec, 'roles'>
  /** Ids that somebody is at work on: no step for them, and they count as not healthy. */
  busy: ReadonlySet<string>
  nowMs: number
}

const STOP_GRACE_MS = 10_000
/** For one that does not answer any more. */
const DEAD_GRACE_MS = 1_000

/**
 * What to do so that exactly the desired units run, healthy and as described. Pure.
 *
 * Applying it and planning again, until nothing waits, reaches the desired units; then the plan is empty. A healthy agent is
 * replaced only while at least all but one of its role's wanted agents stay healthy (of a single one: always).
 */
export function plan(input: PlanInput): Plan {
  const planner = new Planner(input)
  const wanted = new Set(input.desired.map((unit) => unit.id))
  const stops = input.observed
    .filter((unit) => !wanted.has(unit.id) && !input.busy.has(unit.id))
    .sort((a, b) => replicaOf(b.id) - replicaOf(a.id))
    .map((unit): Step => ({ kind: 'stop', id: unit.id, cause: 'not wanted any more', graceMs: planner.graceOf(unit) }))
  for (const unit of input.desired) planner.decide(unit)
  const { steps, waits, rolls, againMs } = planner
  return { steps: [...stops, ...steps], waits, rolls, againMs }
}

class Planner {
  readonly steps: Step[] = []
  readonly waits: Wait[] = []
  rolls = false
  againMs = Number.POSITIVE_INFINITY
  readonly #input: PlanInput
  readonly #seen: ReadonlyMap<string, ObservedUnit>
  readonly #ill: ReadonlyMap<string, Ill>
  readonly #mayReplace: ReadonlySet<string>
  /** By role: how many healthy agents may be taken down now. */
  readonly #spare: Map<string, number>

  constructor(input: PlanInput) {
    this.#input = input
    this.#seen = new Map(input.observed.map((unit) => [unit.id, unit]))
    this.#ill = this.#findIll()
    const agents = input.desired.flatMap((unit) => this.#runningAgent(unit) ?? [])
    const illAgents = agents.filter(({ id }) => this.#ill.has(id)).map(({ id }) => id)
    const services = [...this.#ill.keys()].filter((id) => !illAgents.includes(id))
    this.#mayReplace = new Set([...mayReplace(illAgents, agents, input.vitals, input.failures), ...services])
    this.#spare = this.#countSpare()
  }

  decide(unit: UnitSpec): void {
    if (this.#input.busy.has(unit.id)) return
    const now = this.#seen.get(unit.id)
    if (now === undefined) this.#start(unit, 'wanted and not there')
    else if (now.specHash !== unit.specHash) this.#redo(unit, now)
    else if (now.state === 'created') this.#start(unit, 'created and never started')
    else if (now.state === 'exited') this.#startAgain(unit, now)
    else this.#judge(unit, now)
  }

  graceOf({ unit }: Pick<ObservedUnit, 'unit'>): number {
    const role = unit.kind === 'agent' ? this.#input.spec.roles[unit.role] : undefined
    return role ? role.graceSeconds * 1_000 : STOP_GRACE_MS
  }

  #redo(unit: UnitSpec, now: ObservedUnit): void {
    const cause = changeOf(now.specHash, unit.specHash)
    if (now.state === 'running') this.#replaceWell(unit, now, cause)
    else this.#start(unit, cause)
  }

  #judge(unit: UnitSpec, now: ObservedUnit): void {
    const ill = this.#ill.get(unit.id)
    const leak = leakOf(this.#input.heavy.get(unit.id), this.#input.nowMs)
    if (ill) this.#replaceIll(unit, now, ill)
    else if (leak) this.#replaceWell(unit, now, leak, this.#fail(unit, now, leak, false))
  }

  /** It is not there, or not as wanted: unless it failed to start a moment ago, it is started. */
  #start(unit: UnitSpec, cause: string): void {
    const failure = this.#input.failures.get(unit.id)
    if (this.#holdBack(unit, failure)) return
    this.steps.push({ kind: 'start', unit, cause })
  }

  #startAgain(unit: UnitSpec, now: ObservedUnit): void {
    const before = this.#input.failures.get(unit.id)
    const known = before !== undefined && before.startedAt === now.startedAt
    const failure = known ? before : this.#fail(unit, now, endOf(now), false)
    if (this.#holdBack(unit, failure, known ? undefined : failure)) return
    this.steps.push({ kind: 'start', unit, cause: failure.cause, ...(known ? {} : { failed: failure }) })
  }

  #replaceIll(unit: UnitSpec, now: ObservedUnit, ill: Ill): void {
    if (!this.#mayReplace.has(unit.id)) {
      this.waits.push({ kind: 'wait', id: unit.id, cause: `${ill.cause}; so do most: one is tried first` })
      return
    }
    if (this.#holdBack(unit, this.#input.failures.get(unit.id))) return
    const graceMs = ill.dead ? DEAD_GRACE_MS : this.graceOf(now)
    const failed = this.#fail(unit, now, ill.cause, true)
    this.steps.push({ kind: 'replace', unit, cause: ill.cause, graceMs, failed })
  }

  /** Of one that may be doing its work: only while the rest of its role is well. */
  #replaceWell(unit: UnitSpec, now: ObservedUnit, cause: string, failed?: Failure): void {
    const role = unit.unit.kind === 'agent' ? unit.unit.role : undefined
    if (role !== undefined && this.#isHealthy(unit.id)) {
      const spare = this.#spare.get(role) ?? 0
      if (spare < 1) {
        this.rolls = true
        this.waits.push({ kind: 'wait', id: unit.id, cause: `${cause}; waits until the others of ${role} are healthy` })
        return
      }
      this.#spare.set(role, spare - 1)
    }
    const graceMs = this.graceOf(now)
    this.steps.push({ kind: 'replace', unit, cause, graceMs, ...(failed ? { failed } : {}) })
  }

  /** @returns true when it failed so lately that it must wait */
  #holdBack(unit: UnitSpec, failure: Failure | undefined, failed?: Failure): boolean {
    const ms = pauseMs(failure, unit.specHash, this.#input.nowMs)
    if (failure === undefined || ms === 0) return false
    this.#again(ms)
    const cause = `${failure.cause}, ${failure.count} times in a row; starts again in ${Math.ceil(ms / 1_000)} s`
    this.waits.push({ kind: 'wait', id: unit.id, cause, ...(failed ? { failed } : {}) })
    return true
  }

  #fail(unit: UnitSpec, now: ObservedUnit, cause: string, ill: boolean): Failure {
    const { failures, nowMs } = this.#input
    const failed = { id: unit.id, cause, startedAt: now.startedAt, specHash: unit.specHash, ill }
    return failureAfter(failures.get(unit.id), failed, nowMs)
  }

  #findIll(): Map<string, Ill> {
    const { desired, vitals, spec, busy } = this.#input
    const found = new Map<string, Ill>()
    for (const unit of desired) {
      const vital = vitals.units.get(unit.id)
      const rule = vital && ruleOf(unit.unit, spec)
      if (!rule || busy.has(unit.id) || this.#seen.get(unit.id)?.specHash !== unit.specHash) continue
      const { ill, againMs } = illnessOf(vitals, vital, rule)
      if (ill) found.set(unit.id, ill)
      else this.#again(againMs)
    }
    return found
  }

  #countSpare(): Map<string, number> {
    const spare = new Map<string, number>()
    const wanted = new Map<string, number>()
    for (const { id, unit } of this.#input.desired) {
      if (unit.kind !== 'agent') continue
      wanted.set(unit.role, (wanted.get(unit.role) ?? 0) + 1)
      spare.set(unit.role, (spare.get(unit.role) ?? 0) + (this.#isHealthy(id) ? 1 : 0))
    }
    for (const [role, healthy] of spare) spare.set(role, healthy - leastHealthy(wanted.get(role) ?? 0))
    return spare
  }

  #isHealthy(id: string): boolean {
    return !this.#input.busy.has(id) && this.#input.vitals.units.get(id)?.healthy === true
  }

  #runningAgent({ id, unit }: UnitSpec): ObservedUnit | undefined {
    const now = unit.kind === 'agent' ? this.#seen.get(id) : undefined
    return now?.state === 'running' ? now : undefined
  }

  #again(ms: number): void {
    this.againMs = Math.min(this.againMs, ms)
  }
}

/** Of a role of which so many are wanted: what a replacement leaves healthy. */
export const leastHealthy = (want: number): number => Math.max(0, want - 1)

/** A hash is of what describes the unit, and, where it has an `@`, of its image and ports after that. */
function changeOf(from: string, to: string): string {
  const [before = '', ...beforeRest] = from.split('@')
  const [after = '', ...afterRest] = to.split('@')
  if (before !== after) return `its description changed from ${before} to ${after}`
  return `its image or ports changed from ${beforeRest.join('@')} to ${afterRest.join('@')}`
}

const replicaOf = (id: string): number => parseReplicaId(id)?.replica ?? 0

/** A step, or something that waits, by what it is about. */
export const planLine = <S extends Step | Wait>(step: S): PlanLine & { kind: S['kind'] } => ({
  kind: step.kind,
  id: 'unit' in step ? step.unit.id : step.id,
  cause: step.cause,
})

/** As a line of text: `start executor-2: wanted and not there`. */
export function describeStep(step: Step | Wait | PlanLine): string {
  const { kind, id, cause } = 'unit' in step ? planLine(step) : step
  return `${kind} ${id}: ${cause}`
}
