import { setImmediate as turnEnds } from 'node:timers/promises'
import { z } from 'zod'
import { asFleetError, FleetError } from '../../protocol/errors.ts'
import { decode } from '../../protocol/json.ts'
import { type HistoryRecord, HistoryRecordSchema, type RecordKind } from '../../protocol/records.ts'
import type { History, HistoryQuery } from './history.ts'

/** What a driver gives: Postgres or PGlite. Its errors are FleetErrors already. */
export interface Sql {
  query(text: string, parameters: readonly unknown[]): Promise<Record<string, unknown>[]>
  /** Several statements in one transaction. */
  script(text: string): Promise<void>
  close(): Promise<void>
}

/** Raised with every change of the tables below; what is newer than the code is refused. */
const SCHEMA_VERSION = 1

/** Several processes open at once: the lock lets one after the other through, and each finds its work done or does it. */
const MIGRATE = `
SELECT pg_advisory_xact_lock(4712001);
CREATE TABLE IF NOT EXISTS schema_version (version int NOT NULL);
INSERT INTO schema_version SELECT ${SCHEMA_VERSION} WHERE NOT EXISTS (SELECT FROM schema_version);
CREATE TABLE IF NOT EXISTS records (
  kind text NOT NULL,
  id text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL,
  body jsonb NOT NULL,
  written bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS records_in_time ON records (kind, at, written);
`

const APPEND = `
INSERT INTO records (kind, id, at, body)
SELECT kind, id, at, body FROM jsonb_to_recordset($1::jsonb) AS r(kind text, id text, at timestamptz, body jsonb)
ON CONFLICT DO NOTHING`

const READ = `
SELECT kind, id, at, body FROM records
WHERE kind = $1 AND ($2::text IS NULL OR id ^@ $2) AND ($3::timestamptz IS NULL OR at >= $3)
  AND ($4::timestamptz IS NULL OR at <= $4)
ORDER BY at DESC, written DESC LIMIT $5`

const DEFAULT_LIMIT = 100

/** The same history over either driver. Creates its tables, or finds them. @throws FleetError `state_stale` */
export async function openHistoryOver(sql: Sql): Promise<History> {
  await sql.script(MIGRATE)
  const [found] = await sql.query('SELECT version FROM schema_version', [])
  if (found?.version !== SCHEMA_VERSION) {
    throw new FleetError('state_stale', `The history was written by another version of arbdeck (${found?.version})`, {
      remedy: 'Use that version, or run `arbdeck down --volumes`, which removes the history.',
    })
  }
  return new SqlHistory(sql)
}

/** One call of `append`. */
interface Appending {
  rows: string
  done(): void
  failed(thrown: unknown): void
}

class SqlHistory implements History {
  readonly #sql: Sql
  #waiting: Appending[] = []
  #writing: Promise<void> | undefined

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Calls of one turn, and those that come while others are written, go as one statement: it costs more than its rows. */
  async append(records: readonly HistoryRecord[]): Promise<void> {
    if (records.length === 0) return
    const rows = encode(records)
    await new Promise<void>((done, failed) => {
      this.#waiting.push({ rows, done, failed })
      this.#writing ??= this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    await turnEnds()
    while (this.#waiting.length > 0) await this.#write(this.#waiting.splice(0))
    this.#writing = undefined
  }

  /** What the database refuses must not take along what went with it: then each goes alone. */
  async #write(all: readonly Appending[]): Promise<void> {
    try {
      await this.#sql.query(APPEND, [`[${all.map(({ rows }) => rows.slice(1, -1)).join()}]`])
      for (const { done } of all) done()
    } catch (thrown) {
      if (all.length === 1 || asFleetError(thrown).transient) for (const { failed } of all) failed(thrown)
      else for (const one of all) await this.#write([one])
    }
  }

  async read<K extends RecordKind>(query: HistoryQuery<K>): Promise<Extract<HistoryRecord, { kind: K }>[]> {
    const { kind, idPrefix, since, until, limit = DEFAULT_LIMIT } = query
    const bounds = [since ?? null, until ?? null, Math.max(0, limit)]
    const rows = await this.#sql.query(READ, [kind, clean(idPrefix) ?? null, ...bounds])
    return rows.reverse().map((row) => recordOf(row) as Extract<HistoryRecord, { kind: K }>)
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#sql.close()
  }
}

function encode(records: readonly HistoryRecord[]): string {
  const encoded = z.array(HistoryRecordSchema).safeEncode([...records])
  if (encoded.success) return JSON.stringify(encoded.data, (_key, value: unknown) => clean(value))
  throw new FleetError('malformed', `A record for the history is malformed: ${z.prettifyError(encoded.error)}`, {
    remedy: 'This is a fault of arbdeck: run it again with --debug and report the trace.',
  })
}

/** Postgres takes neither NUL nor half a surrogate pair in text; the reason of a revert may hold both. */
const clean = <T>(value: T): T =>
  typeof value === 'string' ? (value.replace(/[\0\p{Surrogate}]/gu, '\uFFFD') as T) : value

function recordOf({ kind, id, at, body }: Record<string, unknown>): HistoryRecord {
  const record = { kind, id, at: new Date(at as string | Date).toISOString(), body }
  return decode(HistoryRecordSchema, record, `the ${kind} ${id} in history`)
}
