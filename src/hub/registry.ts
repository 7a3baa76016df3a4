import { z } from 'zod'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { FleetError } from '../protocol/errors.ts'
import { type AgentRecord, AgentRecordSchema } from '../protocol/fleet.ts'
import { HEARTBEAT, keys } from '../protocol/keys.ts'
import type { LogLevel } from '../protocol/records.ts'
import { keepLooking } from './look.ts'

export type Log = (level: LogLevel, message: string) => void

/** Who is alive: the agents whose heartbeat in shared memory has not ended. A copy, so that no list asks around. */
export interface Registry {
  /**
   * By id.
   * @throws FleetError `memory_unreachable` when the copy is older than a heartbeat counts
   */
  agents(): readonly AgentRecord[]
  /** Resolves after the first look, whether or not it saw anything. */
  readonly looked: Promise<void>
  close(): Promise<void>
}

export interface RegistryOptions {
  memory: SharedMemory
  log: Log
  /** Called after every look. */
  onLook: (agents: readonly AgentRecord[]) => void
}

const LOOK_GAP_MS = 200

export function openRegistry({ memory, log, onLook }: RegistryOptions): Registry {
  const stop = new AbortController()
  let agents: readonly AgentRecord[] = []
  let lookedAt = Number.NEGATIVE_INFINITY
  let fault: FleetError | undefined
  const malformed = new Set<string>()
  let haveLooked = (): void => undefined
  const looked = new Promise<void>((resolve) => {
    haveLooked = resolve
  })

  const read = (key: string, value: unknown): AgentRecord[] => {
    const parsed = AgentRecordSchema.safeParse(value)
    if (parsed.success) return [parsed.data]
    if (!malformed.has(key)) log('warn', `${key} is left out: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`)
    malformed.add(key)
    return []
  }
  const looking = keepLooking(
    {
      memory,
      topics: { prefixes: [keys.agents] },
      everyMs: HEARTBEAT.everyMs,
      gapMs: LOOK_GAP_MS,
      signal: stop.signal,
      onFault: (now) => {
        fault = now
        log(now ? 'error' : 'info', now ? `the registry cannot see: ${now.message}` : 'the registry sees again')
      },
    },
    async () => {
      const entries = await memory.list(keys.agents).finally(haveLooked)
      agents = entries.flatMap((entry) => read(entry.key, entry.value))
      lookedAt = performance.now()
      onLook(agents)
    },
  )

  return {
    looked,
    agents: () => {
      if (performance.now() - lookedAt <= HEARTBEAT.ttlMs) return agents
      throw new FleetError(
        'memory_unreachable',
        'the hub has not seen shared memory for too long to know who is alive',
        {
          remedy: 'It comes back by itself when Redis does: look at arbdeck status.',
          transient: true,
          cause: fault,
        },
      )
    },
    close: async () => {
      stop.abort()
      await looking
    },
  }
}
