import type { Pool } from 'pg'
import { hostOf } from '../opening.ts'
import type { Sql } from './queries.ts'
import { sqlFailure } from './sql-failure.ts'

export interface PostgresAddress {
  url: URL
  user: string
  password: string
}

/** Connections of one process; idle ones are given back soon, since 111 agents share the server's few. */
const MAX_CONNECTIONS = 2
const IDLE_MS = 5_000

/** Postgres 15 or later. Connects when first asked. */
export async function postgres({ url, user, password }: PostgresAddress): Promise<Sql> {
  const pg = await import('pg')
  const database = decodeURIComponent(url.pathname.slice(1)) || user
  const at = `Postgres at ${hostOf(url)}:${url.port || 5432}`
  const pool = new pg.default.Pool({
    host: hostOf(url),
    port: Number(url.port || 5432),
    user,
    password,
    database,
    application_name: 'arbdeck',
    max: MAX_CONNECTIONS,
    idleTimeoutMillis: IDLE_MS,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 10_000,
    query_timeout: 12_000,
    keepAlive: true,
  })
  // An idle connection that breaks is replaced when the next one is needed; unheard, its error would end the process.
  pool.on('error', () => undefined)
  const run = (text: string, parameters: unknown[]) => runTwice(pool, at, text, parameters)
  return {
    query: async (text, parameters) => (await run(text, [...parameters])).rows,
    script: async (text) => {
      await run(text, [])
    },
    close: () => pool.end(),
  }
}

/** Every statement here may be repeated, so one that met a broken connection is tried once more on a fresh one. */
async function runTwice(pool: Pool, at: string, text: string, parameters: unknown[]) {
  const query = () => pool.query<Record<string, unknown>>(text, parameters.length > 0 ? parameters : undefined)
  try {
    return await query()
  } catch (error) {
    const failure = sqlFailure(error, at)
    if (!failure.transient) throw failure
  }
  try {
    return await query()
  } catch (error) {
    throw sqlFailure(error, at)
  }
}
