import type { ObservedUnit } from '../ports/engine/engine.ts'
import type { Failure } from '../protocol/failure.ts'

/** The longest pause before another start. */
const BACKOFF_MAX_MS = 30_000
/** So long without a failure after the pause ends the row. */
const FORGIVEN_MS = 60_000
/** How long a failure is shown after its pause. */
export const FAILURE_TTL_MS = 600_000
const MIB = 1024 * 1024
/** Node's exit code when V8 has no heap left (SIGABRT); not the kernel's doing. */
const EXIT_HEAP = 134
const EXIT_KILLED = 137
const EXIT_TERMINATED = 143

/** Pause before the start that follows the `count`th failure in a row: none, then 1, 2, 4 … 30 s. */
export const backoffMs = (count: number): number =>
  count <= 1 ? 0 : Math.min(BACKOFF_MAX_MS, 1_000 * 2 ** Math.min(count - 2, 20))

export interface NewFailure {
  id: string
  cause: string
  startedAt: string | null
  specHash: string
  ill: boolean
  /** Pause before the first retry; 0 unless told. */
  leastWaitMs?: number
}

/** The failure that follows those of before. Pure. Its lines are read later. */
export function failureAfter(before: Failure | undefined, failed: NewFailure, nowMs: number): Failure {
  const { leastWaitMs = 0, ...rest } = failed
  const inRow = before !== undefined && nowMs <= Date.parse(before.until) + FORGIVEN_MS
  const count = inRow ? before.count + 1 : 1
  const waitMs = Math.max(leastWaitMs, backoffMs(count))
  return { ...rest, lines: [], count, at: iso(nowMs), until: iso(nowMs + waitMs) }
}

/** Milliseconds until it may be started again; 0: now. Another description than the one that failed may start at once. */
export function pauseMs(failure: Failure | undefined, specHash: string, nowMs: number): number {
  if (failure === undefined || failure.specHash !== specHash) return 0
  const ms = Date.parse(failure.until) - nowMs
  // More than the longest pause: the clock was set back since.
  return ms > BACKOFF_MAX_MS ? 0 : Math.max(0, ms)
}

/** How a unit ended, in words: who ended it, where that can be told. */
export function endOf({ exitCode, oomKilled, memoryLimitBytes }: ObservedUnit): string {
  if (oomKilled)
    return `out of memory: the kernel killed it${memoryLimitBytes ? ` at its limit of ${Math.round(memoryLimitBytes / MIB)} MB` : ''}`
  switch (exitCode) {
    case null:
      return 'exited with an unknown code'
    case EXIT_HEAP:
      return 'out of heap: Node ended itself (exit 134)'
    case EXIT_KILLED:
      return 'was killed (exit 137)'
    case EXIT_TERMINATED:
      return 'was told to end (exit 143)'
    default:
      return `exited with ${exitCode}`
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()
