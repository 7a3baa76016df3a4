import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import { asFleetError, FleetError } from '../../protocol/errors.ts'
import type { Sql } from './queries.ts'
import { sqlFailure } from './sql-failure.ts'

/** Of its own 128 MB for many sessions, one session with small rows needs little. */
const SETTINGS = ['shared_buffers=16MB', 'max_connections=4']

/**
 * Postgres inside this process; in memory without a folder. A folder that is not there yet is made from `template`, an
 * empty database that the build makes: initdb would hold up everything else in this process for seconds. One process at a time may open a folder: its caller holds
 * the fleet's lock.
 * @throws FleetError `state_stale` when the folder is not a database, or a broken one
 */
export async function pglite(folder: string | undefined, template?: string): Promise<Sql> {
  const complaints: string[] = []
  const db = await open(folder, template, complaints)
  const ask = async <T>(question: () => Promise<T>): Promise<T> => {
    try {
      return await question()
    } catch (cause) {
      throw sqlFailure(cause, `The history in ${folder ?? 'memory'}`)
    }
  }
  return {
    query: (text, parameters) => ask(async () => (await db.query<Record<string, unknown>>(text, [...parameters])).rows),
    script: async (text) => {
      await ask(() => db.transaction((tx) => tx.exec(text)))
    },
    close: async () => {
      if (!db.closed) await db.close()
    },
  }
}

async function open(folder: string | undefined, template: string | undefined, complaints: string[]): Promise<PGlite> {
  const { PGlite } = await import('@electric-sql/pglite')
  try {
    if (folder !== undefined) mkdirSync(dirname(resolve(folder)), { recursive: true, mode: 0o700 })
    return await PGlite.create({
      ...(folder === undefined ? {} : { dataDir: resolve(folder) }),
      ...(template !== undefined && (folder === undefined || !existsSync(folder))
        ? { loadDataDir: new Blob([readFileSync(template)]) }
        : {}),
      postgresqlconf: SETTINGS,
      onStderr: (line) => complaints.push(line) > 0,
    })
  } catch (cause) {
    const why = complaints.filter((line) => /FATAL|PANIC|ERROR/.test(line)).at(-1) ?? asFleetError(cause).message
    throw new FleetError('state_stale', `The history in ${folder ?? 'memory'} cannot be opened: ${why}`, {
      remedy: `Run \`arbdeck down --volumes\`, which removes the history, or move ${folder} away.`,
      cause,
    })
  }
}
