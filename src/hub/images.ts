import type { McpCaller } from '../mcp/caller.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { type ReplicaId, replicaId, roleNames, roleSpec, type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { keys } from '../protocol/keys.ts'
import type { ImageVoice, VoiceOptions } from './image-voice.ts'
import { keepLooking } from './look.ts'
import type { Log } from './registry.ts'

export interface ImagesOptions {
  memory: SharedMemory
  log: Log
  version: string
  /** Host of a replica, as the hub reaches it; its id unless told. */
  hostOf?: ((id: ReplicaId) => string) | undefined
}

/** Every replica of an image that is wanted has a voice of the hub's: it says in shared memory how the image is. */
export interface Images {
  /** The session with a replica; undefined: it is no image, or not known yet. */
  callerOf(id: ReplicaId): McpCaller | undefined
  close(): Promise<void>
}

type Target = Pick<VoiceOptions, 'id' | 'role' | 'replica' | 'image' | 'url' | 'startMs'>

const LOOK_EVERY_MS = 10_000
const LOOK_GAP_MS = 200

export function openImages({ memory, log, version, hostOf = (id) => id }: ImagesOptions): Images {
  const stop = new AbortController()
  const voices = new Map<ReplicaId, { voice: ImageVoice; described: string }>()

  const look = async (): Promise<void> => {
    const wanted = (await readAs(memory, keys.wanted, WantedSchema))?.value
    // A fleet that nobody describes is not a fleet of none.
    if (wanted === undefined) return
    const targets = new Map(targetsOf(wanted, hostOf).map((target) => [target.id, target]))
    for (const [id, { voice, described }] of voices) {
      const target = targets.get(id)
      if (target && JSON.stringify(target) === described) continue
      voices.delete(id)
      await voice.stop(target === undefined)
    }
    const fresh = [...targets.values()].filter(({ id }) => !voices.has(id))
    if (fresh.length === 0 || stop.signal.aborted) return
    // A hub without images loads no client.
    const { openVoice } = await import('./image-voice.ts')
    for (const target of fresh) {
      const voice = openVoice({ memory, log, version, ...target })
      voices.set(target.id, { voice, described: JSON.stringify(target) })
    }
  }
  const looking = keepLooking(
    {
      memory,
      topics: { prefixes: [keys.wanted] },
      everyMs: LOOK_EVERY_MS,
      gapMs: LOOK_GAP_MS,
      signal: stop.signal,
      onFault: (fault) => fault && log('warn', `which images are wanted cannot be seen: ${fault.message}`),
    },
    look,
  )

  return {
    callerOf: (id) => voices.get(id)?.voice.link,
    close: async () => {
      stop.abort()
      await looking
      await Promise.all([...voices.values()].map(({ voice }) => voice.stop(false)))
      voices.clear()
    },
  }
}

function targetsOf({ spec, counts }: Wanted, hostOf: (id: ReplicaId) => string): Target[] {
  return roleNames(spec).flatMap((role) => {
    const { image, health } = roleSpec(spec, role)
    if (!image) return []
    return Array.from({ length: counts[role] ?? 0 }, (_, i): Target => {
      const id = replicaId(role, i + 1)
      const url = `http://${hostOf(id)}:${image.port}${image.path}`
      return { id, role, replica: i + 1, image, url, startMs: health.startSeconds * 1_000 }
    })
  })
}
