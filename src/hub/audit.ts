import { randomUUID } from 'node:crypto'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { streams } from '../protocol/keys.ts'
import type { AuditView } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'
import { sleep } from './look.ts'
import type { Log } from './registry.ts'

/** Rows that may wait for shared memory; then calls are refused, for none goes unrecorded. */
const MAX_WAITING = 10_000
const RETRY_MS = 500
const DENIALS_PER_MINUTE = 60
const STREAM_LENGTH = 10_000

/**
 * Writes who did what to the stream `audit`, from where the recorder carries it into history. While shared memory is
 * away rows wait here, in order.
 */
export interface Audit {
  record(row: Omit<AuditView, 'id' | 'at'>): void
  /** A request that was turned away at the door; at most 60 a minute are told one by one, the rest as a number. */
  denied(target: string, why: string): void
  /** No further row can be promised to be kept. */
  isFull(): boolean
  /** Calls recorded since the start, by outcome. */
  counts(): Readonly<Record<AuditView['outcome'], number>>
  /** Gives waiting rows up to `graceMs`. */
  close(graceMs: number): Promise<void>
}

export function openAudit({ memory, log }: { memory: SharedMemory; log: Log }): Audit {
  const waiting: AuditView[] = []
  const counts = { ok: 0, refused: 0, failed: 0 }
  const stop = new AbortController()
  let writing: Promise<void> | undefined
  let denials = { minute: 0, told: 0, untold: 0 }

  const write = async (): Promise<void> => {
    for (let row = waiting[0]; row !== undefined && !stop.signal.aborted; row = waiting[0]) {
      try {
        await memory.stream(streams.audit).append(row, STREAM_LENGTH)
        waiting.shift()
      } catch {
        // The registry reports the outage; the row is written when it is over.
        await sleep(RETRY_MS, stop.signal)
      }
    }
    writing = undefined
  }
  const push = (row: Omit<AuditView, 'id' | 'at'>): void => {
    waiting.push({ id: randomUUID(), at: now(), ...row })
    writing ??= write()
  }

  return {
    record: (row) => {
      counts[row.outcome] += 1
      push(row)
    },
    denied: (target, why) => {
      const minute = Math.floor(Date.now() / 60_000)
      if (denials.minute !== minute) denials = { minute, told: 0, untold: denials.untold }
      if (denials.told >= DENIALS_PER_MINUTE || waiting.length >= MAX_WAITING) {
        denials.untold += 1
        return
      }
      const detail = denials.untold === 0 ? why : `${why} (and ${denials.untold} more before)`
      denials = { minute, told: denials.told + 1, untold: 0 }
      push({ by: 'unknown', action: 'access', target, outcome: 'refused', detail })
    },
    isFull: () => waiting.length >= MAX_WAITING,
    counts: () => counts,
    close: async (graceMs) => {
      const timer = setTimeout(() => stop.abort(), graceMs)
      await writing
      clearTimeout(timer)
      if (waiting.length > 0) log('error', `${waiting.length} audit rows are lost: shared memory did not take them`)
    },
  }
}
