import type { SharedMemory } from '../src/ports/memory/memory.ts'
import { asFleetError } from '../src/protocol/errors.ts'
import type { NewFleetEvent } from '../src/protocol/event.ts'
import type { AgentRecord, AgentState } from '../src/protocol/fleet.ts'
import { HEARTBEAT, keys, streams } from '../src/protocol/keys.ts'
import type { LogLevel } from '../src/protocol/records.ts'
import { now } from '../src/protocol/schemas.ts'

const EVENTS_KEPT = 5_000

/** Appends to the stream that the screen and `events` read. */
export async function tell(memory: SharedMemory, event: NewFleetEvent): Promise<void> {
  await memory.stream(streams.events).append({ ...event, at: now() }, EVENTS_KEPT)
}

export interface Presence {
  /** Changes the state and says so as an event; the same state and note again say nothing. */
  become(state: AgentState, note?: string): Promise<void>
  /** What it works on, or null; written soon, not waited for. */
  working(opportunityId: string | null): void
  done(): void
  /** It took a message that was published then (milliseconds since 1970); told with the next heartbeat. */
  took(publishedAt: number): void
  /** Takes the record away. */
  leave(): Promise<void>
}

export interface PresenceOptions {
  memory: SharedMemory
  record: Omit<AgentRecord, 'at' | 'state' | 'tasksDone' | 'startedAt'>
  log(level: LogLevel, message: string): void
}

/**
 * Keeps `agent/ID` in shared memory. It ends by itself when nobody renews it, so a lost agent is missed within
 * HEARTBEAT.ttlMs. A memory that cannot be reached is only logged: the next beat tries again.
 */
export async function announce({ memory, record, log }: PresenceOptions): Promise<Presence> {
  let current: AgentRecord = { ...record, state: 'starting', tasksDone: 0, startedAt: now(), at: now() }
  let writing: Promise<void> = Promise.resolve()
  let left = false

  const write = (): Promise<void> => {
    writing = writing.then(async () => {
      if (left) return
      current = { ...current, at: now() }
      await memory.write(keys.agent(record.id), current, { ttlMs: HEARTBEAT.ttlMs })
    })
    writing = writing.catch((thrown: unknown) => log('warn', `heartbeat: ${asFleetError(thrown).message}`))
    return writing
  }

  const become = async (state: AgentState, note?: string): Promise<void> => {
    if (current.state === state && current.note === note) return
    const { note: _old, ...rest } = current
    current = { ...rest, state, ...(note === undefined ? {} : { note }) }
    await write()
    await tell(memory, { type: 'agent', id: record.id, role: record.role, state, ...(note ? { note } : {}) }).catch(
      (thrown: unknown) => log('warn', `event: ${asFleetError(thrown).message}`),
    )
  }

  await write()
  const timer = setInterval(write, HEARTBEAT.everyMs)
  return {
    become,
    working(opportunityId) {
      const { task: _old, ...rest } = current
      current = { ...rest, ...(opportunityId === null ? {} : { task: opportunityId }) }
      if (opportunityId !== null) void write()
    },
    took(publishedAt) {
      if (publishedAt === 0) return
      current = { ...current, took: { waitedMs: Math.max(0, Date.now() - publishedAt), at: now() } }
    },
    done() {
      current = { ...current, tasksDone: current.tasksDone + 1 }
    },
    async leave() {
      clearInterval(timer)
      await writing
      left = true
      await memory.write(keys.agent(record.id), undefined)
    },
  }
}
