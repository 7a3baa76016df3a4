import type { ObservedUnit } from '../ports/engine/engine.ts'
import { isBeatOf } from '../protocol/fleet.ts'
import { HEARTBEAT } from '../protocol/keys.ts'

/** What an agent or a service says of itself, as far as its health goes. */
export interface Beat {
  /** Of an AgentRecord or a ServiceRecord. */
  state: string
  at: string
  note?: string | undefined
}

/** What was seen at one time. */
export interface Look {
  nowMs: number
  observed: readonly ObservedUnit[]
  /** By the unit's id, those that shared memory holds. */
  beats: ReadonlyMap<string, Beat>
}

/** What is known of one run of a unit. Times are of the watcher's clock, in milliseconds. */
export interface Vital {
  /** Which run, by the engine. */
  startedAt: string | null
  /** When it was first seen running, in this watch. */
  seenMs: number
  /** Its last heartbeat, as it said, and when that was first seen; null before its first. */
  beatAt: string | null
  beatMs: number | null
  /** It beat a moment ago, and said that it is healthy, or stands by. */
  healthy: boolean
  /** Since when it says that it is unhealthy, and why. */
  unhealthyMs: number | null
  note: string | null
}

/** What a watcher remembers from one look to the next. */
export interface Vitals {
  /** Since when every look got its answers, without a gap: what was silent before was not listened to. */
  watchingMs: number
  lookedMs: number
  /** Since when the hub has been healthy, as far as was seen; null while it is not. It beats for images that are not ours. */
  hubMs: number | null
  /** Running units, by id. */
  units: ReadonlyMap<string, Vital>
}

/** A longer gap between two looks is a new watch: the machine slept, or the engine or memory did not answer. */
export const WATCH_GAP_MS = 30_000

/** One that was to beat twice since, and did not, is not counted on. */
export const BEAT_FRESH_MS = 2.5 * HEARTBEAT.everyMs

const HEALTHY: readonly string[] = ['healthy', 'standby']

/**
 * What is known after another look. Pure.
 *
 * @param before undefined at the first look, and after one that was not answered
 */
export function watch(before: Vitals | undefined, look: Look): Vitals {
  const { nowMs, observed, beats } = look
  const gapMs = before === undefined ? Number.POSITIVE_INFINITY : nowMs - before.lookedMs
  const last = gapMs >= 0 && gapMs <= WATCH_GAP_MS ? before : undefined
  const running = observed.filter((unit) => unit.state === 'running')
  const units = new Map(
    running.map((unit) => [unit.id, vitalOf(last?.units.get(unit.id), unit, beats.get(unit.id), nowMs)]),
  )
  const hubWell = units.get('hub')?.healthy === true
  return {
    watchingMs: last?.watchingMs ?? nowMs,
    lookedMs: nowMs,
    hubMs: hubWell ? (last?.hubMs ?? nowMs) : null,
    units,
  }
}

function vitalOf(before: Vital | undefined, unit: ObservedUnit, said: Beat | undefined, nowMs: number): Vital {
  const last = before?.startedAt === unit.startedAt ? before : undefined
  const beat = said && isBeatOf(said, unit.startedAt) ? said : undefined
  const fresh = beat !== undefined && beat.at !== last?.beatAt
  const beatMs = fresh ? nowMs : (last?.beatMs ?? null)
  const beatsNow = beatMs !== null && nowMs - beatMs <= BEAT_FRESH_MS
  return {
    startedAt: unit.startedAt,
    seenMs: last?.seenMs ?? nowMs,
    beatAt: beat?.at ?? last?.beatAt ?? null,
    beatMs,
    healthy: beatsNow && beat !== undefined && HEALTHY.includes(beat.state),
    unhealthyMs: beat?.state === 'unhealthy' ? (last?.unhealthyMs ?? nowMs) : null,
    note: beat?.note ?? null,
  }
}

/** For how long a unit has said nothing although somebody listened, and whether it ever did in this run. */
export function silence(vitals: Vitals, vital: Vital, byHub: boolean): { ms: number; everBeat: boolean } {
  // What the hub says of an image is not heard while the hub is away.
  const listening = byHub ? (vitals.hubMs ?? vitals.lookedMs) : vitals.watchingMs
  const since = Math.max(vital.beatMs ?? vital.seenMs, vital.seenMs, listening, vitals.watchingMs)
  return { ms: vitals.lookedMs - since, everBeat: vital.beatMs !== null }
}
