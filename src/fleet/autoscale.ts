import { z } from 'zod'
import type { AutoscaleRule, RoleSpec } from '../protocol/role-spec.ts'

/** What a role has to do, as it was measured just now. */
export interface RoleLoad {
  /** Agents that take tasks. */
  healthy: number
  /** Messages that wait. */
  waiting: number
  /** Age of the oldest that waits; 0 when none does. */
  oldestSeconds: number
  /** Mean of its agents, 100 is one core; null where it is not known. */
  cpuPercent: number | null
}

/** What is remembered of a role from one look to the next; times in milliseconds since 1970. Key `autoscale`, by role. */
export const ScaleStateSchema = z.object({
  /** What an operator or the profile asked for: what somebody else than the autoscaler wrote last. */
  base: z.int().min(0),
  /** What the autoscaler wrote last; another count in the fleet is somebody's wish. */
  set: z.int().min(0),
  changedAt: z.number(),
  /** Since when fewer would do; null while they would not. */
  lowSince: z.number().nullable(),
})
export type ScaleState = z.output<typeof ScaleStateSchema>

export interface Decision {
  count: number
  /** The rule, its limit and what was measured; null when the count stays. */
  cause: string | null
  state: ScaleState
}

/** At most so many times as many agents by one decision. */
const MOST_GROWTH = 2

/** One reason to have more agents. */
interface Cause {
  /** Load as a share of what the rule allows to the agents that are there: above 1 asks for more. */
  share: number
  /** The same with one agent less. */
  shareWithOneLess: number
  /** Agents that would do. */
  enough: number
  words: string
}

/**
 * How many agents of a role there should be. Pure. More at once when a rule is broken, by as many as it takes, at most
 * twice as many, after `upCooldownSeconds`; one less when the load with one less would have been below `downPercent` of every
 * rule for `downCooldownSeconds` without a break. Between the two the count stays: that band, and the cooldown, keep it still.
 *
 * @param count wanted now
 * @param before undefined at the first look
 */
export function decide(
  role: Pick<RoleSpec, 'min' | 'max'> & { autoscale: AutoscaleRule },
  { count, load, before, nowMs }: { count: number; load: RoleLoad; before: ScaleState | undefined; nowMs: number },
): Decision {
  const rule = role.autoscale
  const state = stateNow(count, before, nowMs)
  // They start, or something is wrong with them all: more of them is no remedy.
  if (load.healthy === 0) return stays(count, { ...state, lowSince: null })
  const causes = causesOf(rule, count, load)
  const worst = causes.reduce<Cause | undefined>(
    (most, cause) => (cause.share > (most?.share ?? 0) ? cause : most),
    undefined,
  )
  const sinceMs = nowMs - state.changedAt
  if (worst && worst.share > 1) {
    const want = Math.min(role.max, worst.enough, Math.max(count + 1, count * MOST_GROWTH))
    const wait = sinceMs < rule.upCooldownSeconds * 1_000
    if (want <= count || wait) return stays(count, { ...state, lowSince: null })
    return { count: want, cause: worst.words, state: { ...state, set: want, changedAt: nowMs, lowSince: null } }
  }
  const least = Math.max(role.min, rule.min ?? state.base)
  const low =
    count > least && causes.length > 0 && causes.every((cause) => cause.shareWithOneLess * 100 <= rule.downPercent)
  if (!low) return stays(count, { ...state, lowSince: null })
  const lowSince = state.lowSince ?? nowMs
  const long = rule.downCooldownSeconds * 1_000
  if (nowMs - lowSince < long || sinceMs < long) return stays(count, { ...state, lowSince })
  const cause = `load below ${rule.downPercent} % of its rules for ${rule.downCooldownSeconds} s: ${causes.map(({ words }) => words).join(', ')}`
  return { count: count - 1, cause, state: { ...state, set: count - 1, changedAt: nowMs, lowSince: null } }
}

const stays = (count: number, state: ScaleState): Decision => ({ count, cause: null, state })

/** A count that is not what was written here last is somebody's wish: it is the new base, and begins a cooldown. */
function stateNow(count: number, before: ScaleState | undefined, nowMs: number): ScaleState {
  if (before && before.set === count) return before
  return { base: count, set: count, changedAt: before ? nowMs : 0, lowSince: null }
}

function causesOf(rule: AutoscaleRule, count: number, load: RoleLoad): Cause[] {
  const agents = Math.max(1, Math.min(count, load.healthy))
  const less = Math.max(1, agents - 1)
  const causes: Cause[] = []
  if (rule.queuePerAgent !== undefined) {
    const each = rule.queuePerAgent
    causes.push({
      share: load.waiting / (each * agents),
      shareWithOneLess: load.waiting / (each * less),
      enough: Math.ceil(load.waiting / each),
      words: `${load.waiting} messages wait for ${load.healthy} agents, ${each} each are allowed`,
    })
  }
  if (rule.oldestSeconds !== undefined) {
    const share = load.oldestSeconds / rule.oldestSeconds
    causes.push({
      share,
      shareWithOneLess: share,
      enough: Math.ceil(count * share),
      words: `the oldest waits for ${load.oldestSeconds.toFixed(1)} s, ${rule.oldestSeconds} s are allowed`,
    })
  }
  if (rule.cpuPercent !== undefined && load.cpuPercent !== null) {
    const share = load.cpuPercent / rule.cpuPercent
    causes.push({
      share,
      shareWithOneLess: (share * agents) / less,
      enough: Math.ceil(count * share),
      words: `its agents use ${Math.round(load.cpuPercent)} % of a core each, ${rule.cpuPercent} % are allowed`,
    })
  }
  return causes
}

/**
 * Age of the oldest message that waits, from what agents say of the message they took last: what still waits was published
 * after that one, so it cannot be older than that one would be now.
 * @param waitingSinceMs since when something has been seen to wait without a break; null when nothing waits
 * @returns seconds
 */
export function oldestSeconds(
  took: readonly { waitedMs: number; at: string }[],
  waitingSinceMs: number | null,
  nowMs: number,
): number {
  if (waitingSinceMs === null) return 0
  const seen = nowMs - waitingSinceMs
  const last = took.reduce<{ waitedMs: number; at: string } | undefined>(
    (newest, one) => (newest === undefined || one.at > newest.at ? one : newest),
    undefined,
  )
  if (!last) return Math.max(0, seen) / 1_000
  // What waits has waited since it was first seen waiting at most, or as long as the bound says, whichever is less.
  const bound = last.waitedMs + nowMs - Date.parse(last.at)
  return Math.max(0, Math.min(bound, Math.max(seen, last.waitedMs))) / 1_000
}
