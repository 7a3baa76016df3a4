import type { HistoryRecord, RecordKind } from '../../protocol/records.ts'

/**
 * The past. Append only: a record acknowledged survives the death of the process that wrote it (with Postgres, of the
 * machine too, as far as its disk does). Appending an `id` of a kind again changes nothing.
 * Throws FleetError `history_unreachable` (transient) when the database cannot be reached; appending again is safe.
 * Text that a database cannot hold (NUL, half a surrogate pair) comes back with U+FFFD in its place.
 */
export interface History {
  /** All of them or none. @throws FleetError `malformed` when one does not fit its schema */
  append(records: readonly HistoryRecord[]): Promise<void>
  /** Newest last; the newest `limit` (default 100) of those that fit. */
  read<K extends RecordKind>(query: HistoryQuery<K>): Promise<Extract<HistoryRecord, { kind: K }>[]>
  close(): Promise<void>
}

export interface HistoryQuery<K extends RecordKind = RecordKind> {
  kind: K
  /** Exactly this record, or those that belong to it (the tasks of a trade: id begins with the trade's id). */
  idPrefix?: string
  /** ISO 8601; records at or after. */
  since?: string
  /** ISO 8601; records at or before. */
  until?: string
  limit?: number
}
