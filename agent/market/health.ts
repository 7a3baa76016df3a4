import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import type { FleetEvent } from '../../src/protocol/event.ts'
import type { ServiceRecord } from '../../src/protocol/fleet.ts'
import { HEARTBEAT, keys, streams } from '../../src/protocol/keys.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import { now } from '../../src/protocol/schemas.ts'

export const EVENTS_KEPT = 5_000

/** What the bot says of itself under `service/bot`. */
export interface Health {
  /** Changes the state; a fault is logged once, however often it is repeated, and so is its end. */
  become(state: ServiceRecord['state'], note?: string): void
  /** Renews the record; never rejects. */
  beat(): Promise<void>
  /** Takes the record away. */
  leave(): Promise<void>
}

export function openHealth(memory: SharedMemory, log: (level: LogLevel, message: string) => void): Health {
  let state: ServiceRecord['state'] = 'starting'
  let note: string | undefined
  let writing: Promise<void> = Promise.resolve()

  const attempt = (what: () => Promise<unknown>): Promise<void> => {
    writing = writing.then(what).then(
      () => undefined,
      (thrown: unknown) => log('debug', `service/bot: ${asFleetError(thrown).message}`),
    )
    return writing
  }
  const beat = () =>
    attempt(() => {
      const record: ServiceRecord = { name: 'bot', state, at: now(), ...(note === undefined ? {} : { note }) }
      return memory.write(keys.service('bot'), record, { ttlMs: HEARTBEAT.ttlMs })
    })
  return {
    become(nextState, nextNote) {
      if (state === nextState && note === nextNote) return
      if (nextState === 'unhealthy') log('warn', nextNote ?? 'unhealthy')
      else if (state === 'unhealthy') log('info', `${nextState} again`)
      const told = state !== nextState
      state = nextState
      note = nextNote
      void beat()
      if (!told) return
      const event: FleetEvent = { type: 'service', name: 'bot', state, at: now(), ...(note ? { note } : {}) }
      void attempt(() => memory.stream(streams.events).append(event, EVENTS_KEPT))
    },
    beat,
    leave: () => attempt(() => memory.write(keys.service('bot'), undefined)),
  }
}
