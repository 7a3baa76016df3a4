import type { HistoryQuery } from '../ports/history/history.ts'
import type { RecordKind } from '../protocol/records.ts'
import type { LedgerQuery } from './client.ts'

export function historyQuery<K extends RecordKind>(kind: K, query: { id?: string; last: number }): HistoryQuery<K> {
  return { kind, limit: query.last, ...(query.id === undefined ? {} : { idPrefix: query.id }) }
}

export const ledgerQuery = ({ since, until, last }: LedgerQuery): HistoryQuery<'ledger'> => ({
  kind: 'ledger',
  limit: last,
  ...(since === undefined ? {} : { since }),
  ...(until === undefined ? {} : { until }),
})
