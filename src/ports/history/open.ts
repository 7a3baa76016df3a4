import { FleetError } from '../../protocol/errors.ts'
import { openWithin, serverUrl } from '../opening.ts'
import type { History } from './history.ts'
import { openHistoryOver, type Sql } from './queries.ts'

export interface HistoryOptions {
  /** `arbdeck` unless told or in the URL. */
  user?: string | undefined
  password?: string | undefined
  /** How long to wait for a server that is not up yet; 0: one try. */
  waitMs?: number | undefined
  /** `pglite:` only: a database to begin a new folder from; absent: it is made, which takes seconds. */
  template?: string | undefined
}

/**
 * `postgres://host:5432/DATABASE` (the database is named like the user unless told), `pglite:` in memory, or
 * `pglite:FOLDER`.
 * @throws FleetError `config_invalid`, `history_unreachable`, `state_stale`
 */
export async function openHistory(url: string, options: HistoryOptions = {}): Promise<History> {
  if (url.startsWith('pglite:')) {
    const { pglite } = await import('./pglite.ts')
    return closingOnFailure(await pglite(url.slice('pglite:'.length) || undefined, options.template))
  }
  const server = serverUrl(url, {
    name: 'HISTORY_URL',
    schemes: ['postgres:', 'postgresql:'],
    example: 'postgres://host:5432/arbdeck, pglite: or pglite:FOLDER',
  })
  if (options.password === undefined) {
    throw new FleetError('config_invalid', 'The password of the history database is missing', {
      remedy: 'It is the file of that name in the folder that ARBDECK_SECRETS names.',
    })
  }
  const address = { url: server, user: options.user ?? (server.username || 'arbdeck'), password: options.password }
  const { postgres } = await import('./postgres.ts')
  return openWithin(options.waitMs ?? 0, async () => closingOnFailure(await postgres(address)))
}

async function closingOnFailure(sql: Sql): Promise<History> {
  try {
    return await openHistoryOver(sql)
  } catch (error) {
    await sql.close()
    throw error
  }
}
