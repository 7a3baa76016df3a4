import type { SharedMemory } from '../ports/memory/memory.ts'
import type { ServiceRecord } from '../protocol/fleet.ts'
import { HEARTBEAT, keys } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'

export interface PresenceOptions {
  memory: SharedMemory
  url: string
  /** Why it is not well; undefined: it is. */
  fault: () => string | undefined
}

/** Says in shared memory that the hub is there, until stopped. */
export function beatHeart({ memory, url, fault }: PresenceOptions): { stop(): Promise<void> } {
  const beat = async (): Promise<void> => {
    const note = fault()
    const record: ServiceRecord = {
      name: 'hub',
      state: note === undefined ? 'healthy' : 'unhealthy',
      url,
      at: now(),
      ...(note !== undefined && { note }),
    }
    // While shared memory is away nobody could read it; the next beat tries again.
    await memory.write(keys.service('hub'), record, { ttlMs: HEARTBEAT.ttlMs }).catch(() => undefined)
  }
  let beating = beat()
  const timer = setInterval(() => {
    beating = beat()
  }, HEARTBEAT.everyMs)
  return {
    stop: async () => {
      clearInterval(timer)
      await beating
      await memory.write(keys.service('hub'), undefined).catch(() => undefined)
    },
  }
}
