import { FleetError } from '../../protocol/errors.ts'
import { keys } from '../../protocol/keys.ts'
import { openWithin, serverUrl } from '../opening.ts'
import { EmbeddedMemory } from './embedded.ts'
import type { SharedMemory } from './memory.ts'
import { Journal, type Persist } from './persist.ts'

export interface MemoryOptions {
  /** Fleets that share a server do not see each other. */
  fleet: string
  user?: string | undefined
  password?: string | undefined
  /** How long to wait for a server that is not up yet; 0: one try. */
  waitMs?: number | undefined
  /** `embedded:` only: what outlives the process. */
  persist?: Persist | undefined
}

/**
 * `redis://host:6379`, `rediss://…`, or `embedded:` (a memory of its own at every call). `embedded:PATH` keeps `wanted`
 * and `halt` in that file.
 * @throws FleetError `config_invalid`, `memory_unreachable`, `state_stale`, `disk_full`
 */
export async function openMemory(url: string, options: MemoryOptions): Promise<SharedMemory> {
  if (url.startsWith('embedded:')) {
    const file = url.slice('embedded:'.length)
    const persist = options.persist ?? (file === '' ? undefined : { file, keys: [keys.wanted, keys.halt] })
    return new EmbeddedMemory(persist && (await Journal.open(persist)))
  }
  if (options.persist) {
    throw new FleetError('config_invalid', 'Only embedded memory is kept in a file', { remedy: 'Leave persist out.' })
  }
  const wanted = { name: 'MEMORY_URL', schemes: ['redis:', 'rediss:'], example: 'redis://host:6379 or embedded:' }
  const server = serverUrl(url, wanted)
  const address = { url: server, user: options.user ?? (server.username || undefined), password: options.password }
  const { RedisMemory } = await import('./redis.ts')
  return openWithin(options.waitMs ?? 0, () => RedisMemory.open(address, options.fleet))
}
