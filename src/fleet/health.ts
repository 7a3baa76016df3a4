import type { ObservedUnit, UnitKind } from '../ports/engine/engine.ts'
import type { Failure } from '../protocol/failure.ts'
import type { FleetSpec } from '../protocol/fleet.ts'
import { type HealthRule, HealthRuleSchema } from '../protocol/role-spec.ts'
import { silence, type Vital, type Vitals } from './vitals.ts'

/** How long a unit may stay above its share of memory. */
const LEAK_MS = 60_000
/** Services that beat and hold nothing that would be lost with them. The sandbox is its chain: it is left alone. */
const JUDGED_SERVICES: readonly string[] = ['hub', 'bot']
const SERVICE_RULE: HealthRule = HealthRuleSchema.parse({})

/** A unit that uses too much memory: since when without a break, and how much (percent of its limit). */
export interface Heavy {
  sinceMs: number
  percent: number
}

/** A running unit that must be replaced for its health. */
export interface Ill {
  cause: string
  /** It does not answer: there is no sense in waiting for it to drain. */
  dead: boolean
}

/** The rule that a unit is judged by; undefined: by nobody. */
export function ruleOf(kind: UnitKind, spec: Pick<FleetSpec, 'roles'>): (HealthRule & { byHub: boolean }) | undefined {
  if (kind.kind === 'service')
    return JUDGED_SERVICES.includes(kind.service) ? { ...SERVICE_RULE, byHub: false } : undefined
  const role = spec.roles[kind.role]
  return role && { ...role.health, byHub: role.image !== undefined }
}

/** What is wrong with a running unit: it hangs, never came up, or says for too long that it is unhealthy. Pure. */
export function illnessOf(
  vitals: Vitals,
  vital: Vital,
  rule: HealthRule & { byHub: boolean },
): { ill: Ill | undefined; againMs: number } {
  const { ms, everBeat } = silence(vitals, vital, rule.byHub)
  const limitMs = (everBeat ? rule.hangSeconds : rule.startSeconds) * 1_000
  if (ms >= limitMs) {
    const cause = everBeat
      ? `hangs: it runs, and no heartbeat came for ${seconds(ms)} s`
      : `did not come up: no heartbeat within ${rule.startSeconds} s`
    return { ill: { cause, dead: true }, againMs: Number.POSITIVE_INFINITY }
  }
  if (vital.unhealthyMs === null) return { ill: undefined, againMs: limitMs - ms }
  const unwellMs = vitals.lookedMs - vital.unhealthyMs
  if (unwellMs < rule.unhealthySeconds * 1_000)
    return { ill: undefined, againMs: Math.min(limitMs - ms, rule.unhealthySeconds * 1_000 - unwellMs) }
  const cause = `unhealthy for ${seconds(unwellMs)} s${vital.note ? `: ${vital.note}` : ''}`
  return { ill: { cause, dead: false }, againMs: Number.POSITIVE_INFINITY }
}

export function leakOf(heavy: Heavy | undefined, nowMs: number): string | undefined {
  if (heavy === undefined || nowMs - heavy.sinceMs < LEAK_MS) return undefined
  return `leaks memory: at ${heavy.percent} % of its limit for ${seconds(nowMs - heavy.sinceMs)} s`
}

const seconds = (ms: number): number => Math.floor(ms / 1_000)

/**
 * Which of the ill may be replaced now. Pure. When most are ill at once it is hardly their own fault: memory or the bus is away,
 * or the machine is. Then one is tried, and the others only when replacing has made that one healthy.
 *
 * @param running agents that run and are wanted
 * @param ill ids of those that are ill, in the order of the fleet
 */
export function mayReplace(
  ill: readonly string[],
  running: readonly ObservedUnit[],
  vitals: Vitals,
  failures: ReadonlyMap<string, Failure>,
): ReadonlySet<string> {
  if (ill.length < 2 || ill.length * 2 <= running.length) return new Set(ill)
  const tried = running.filter((unit) => {
    const failure = failures.get(unit.id)
    return failure?.ill === true && failure.startedAt !== unit.startedAt
  })
  if (tried.some((unit) => vitals.units.get(unit.id)?.healthy)) return new Set(ill)
  if (tried.some((unit) => !ill.includes(unit.id))) return new Set()
  const untried = ill.filter((id) => tried.every((unit) => unit.id !== id))
  return new Set((untried.length > 0 ? untried : ill).slice(0, 1))
}
