import type { History } from '../ports/history/history.ts'
import type { SharedMemory, StreamEntry } from '../ports/memory/memory.ts'
import { type FleetEvent, FleetEventSchema } from '../protocol/event.ts'
import { keys, streams } from '../protocol/keys.ts'
import { AuditViewSchema, type HistoryRecord } from '../protocol/records.ts'
import { keepLooking } from './look.ts'
import type { Log } from './registry.ts'

export interface RecorderOptions {
  memory: SharedMemory
  history: History
  log: Log
}

/** Carries the streams `events` and `audit` of shared memory into history, each entry once, for as long as it runs. */
export interface Recorder {
  /** Why it lags behind; undefined while it works. */
  fault(): string | undefined
  /** Carries what is left, if it can, and stops. */
  close(): Promise<void>
}

const EVERY_MS = 2_000
const GAP_MS = 200
/** How far it reaches back when nothing says where it stopped. */
const FIRST_READ = 10_000
const BATCH = 500

type Source = { stream: string; toRecords: (entry: StreamEntry) => HistoryRecord[] }

const SOURCES: readonly Source[] = [
  {
    stream: streams.events,
    toRecords: ({ id, value }) => {
      const event = FleetEventSchema.safeParse(value)
      if (!event.success) return []
      return [{ kind: 'event', id, at: event.data.at, body: event.data }, ...correctionOf(event.data)]
    },
  },
  {
    stream: streams.audit,
    toRecords: ({ value }) => {
      const row = AuditViewSchema.safeParse(value)
      return row.success ? [{ kind: 'audit', id: row.data.id, at: row.data.at, body: row.data }] : []
    },
  },
]

/** A correction of an execution is entered in the ledger too, once, after the trade that it corrects. */
function correctionOf(event: FleetEvent): HistoryRecord[] {
  if (event.type !== 'execution_corrected') return []
  const { type: _, profitWei: _profit, gasWei: _gas, ...body } = event
  const id = `${event.id}/${event.attempt}/${event.correction}`
  return [{ kind: 'ledger', id, at: event.at, body: { entry: 'correction', ...body } }]
}

export function openRecorder({ memory, history, log }: RecorderOptions): Recorder {
  const stop = new AbortController()
  const faults = new Map<string, string>()
  const carries = SOURCES.map((source) => ({ source, carry: carrier({ memory, history, log }, source) }))

  const looking = carries.map(({ source, carry }) =>
    keepLooking(
      {
        memory,
        topics: { streams: [source.stream] },
        everyMs: EVERY_MS,
        gapMs: GAP_MS,
        signal: stop.signal,
        onFault: (fault) => {
          if (fault) faults.set(source.stream, fault.message)
          else faults.delete(source.stream)
          log(fault ? 'error' : 'info', `recording ${source.stream} ${fault ? `waits: ${fault.message}` : 'goes on'}`)
        },
      },
      carry,
    ),
  )
  return {
    fault: () => [...faults.values()][0],
    close: async () => {
      stop.abort()
      await Promise.all(looking)
      // What is not carried now is carried after the next start: the cursor is kept.
      await Promise.allSettled(carries.map(({ carry }) => carry()))
    },
  }
}

/**
 * Carries what is new since the last time. Where it stopped is kept in shared memory, beside the stream, so that both
 * are there or both are gone; an entry carried twice changes nothing, as history appends an id once.
 */
function carrier({ memory, history, log }: RecorderOptions, { stream, toRecords }: Source): () => Promise<void> {
  let after: string | undefined
  let resumed = false
  return async () => {
    if (!resumed) {
      const cursor = (await memory.read(keys.recorded(stream)))?.value
      after = typeof cursor === 'string' ? cursor : undefined
      resumed = true
    }
    const entries = await memory.stream(stream).read(after === undefined ? { last: FIRST_READ } : { after })
    for (let from = 0; from < entries.length; from += BATCH) {
      const batch = entries.slice(from, from + BATCH)
      const records = batch.map(toRecords)
      const malformed = records.filter((made) => made.length === 0).length
      if (malformed > 0) log('warn', `${malformed} malformed entries of ${stream}`)
      await history.append(records.flat())
      after = batch.at(-1)?.id
      await memory.write(keys.recorded(stream), after)
    }
  }
}
