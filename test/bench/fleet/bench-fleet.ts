import { setTimeout as pause } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { FleetClient } from '../../../src/client/client.ts'
import { findSecrets, openDocker, openDockerMemory } from '../../../src/launch/docker-parts.ts'
import { LABELS } from '../../../src/ports/engine/docker/names.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { FleetEventSchema } from '../../../src/protocol/event.ts'
import { type Profile, roleNames, WantedSchema } from '../../../src/protocol/fleet.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { isWhole } from '../../../src/protocol/snapshot.ts'
import { attach } from './client.ts'
import { all, type Made, untilNone } from './containers.ts'

const LOST_MS = 600_000
const LOOK_MS = 250

/** A fleet that runs on Docker, as a bench asks of it. */
export interface BenchFleet {
  name: string
  client: FleetClient
  docker: Docker
  /** Agents of a profile, by role. */
  counts(profile: Profile): Promise<Record<string, number>>
  agents(): Promise<Made[]>
  /**
   * Resolves when `count` more agents have said that they take tasks or stand by. To be called before they are started: it
   * counts words, not names, so that agents which others started count too, and those that bear one name.
   */
  words(count: number): Promise<() => Promise<void>>
  /** Resolves when exactly what is wanted is there and healthy. @returns how many agents had to be started again for it */
  whole(): Promise<number>
  /** Scales to nothing, and waits until no agent's container is there. */
  empty(): Promise<void>
  close(): Promise<void>
}

export async function openBenchFleet(name: string): Promise<BenchFleet> {
  const parts = await openDocker(name)
  const secrets = await findSecrets(parts)
  if (!secrets) throw new Error(`there is no fleet ${name}`)
  const memory = await openDockerMemory(parts, secrets, 5_000)
  const client = await attach(name)
  const { docker } = parts.connection
  const agents = async (): Promise<Made[]> =>
    (await all(docker, `${LABELS.fleet}=${name}`)).filter(({ labels }) => labels[LABELS.role] !== undefined)
  const { spec } = await wantedOf(memory)
  return {
    name,
    client,
    docker,
    agents,
    counts: async (profile) =>
      Object.fromEntries(roleNames(spec).map((role) => [role, spec.roles[role]?.counts[profile] ?? 0])),
    words: (count) => words(memory, count),
    whole: async () => {
      for (;;) {
        const snapshot = await client.snapshot()
        if (isWhole(snapshot)) return snapshot.agents.reduce((sum, { restarts }) => sum + restarts, 0)
        await pause(LOOK_MS)
      }
    },
    empty: async () => {
      await client.scale(roleNames(spec).map((role) => ({ role, op: 'set', count: 0 })))
      await untilNone(agents)
    },
    close: async () => {
      await client.close()
      await memory.close()
    },
  }
}

async function words(memory: SharedMemory, count: number): Promise<() => Promise<void>> {
  const events = memory.stream(streams.events)
  let after = (await events.read({ last: 1 })).at(-1)?.id
  let heard = 0
  const until = Date.now() + LOST_MS
  return async () => {
    while (heard < count) {
      if (Date.now() > until) throw new Error(`${heard} of ${count} agents came up within ${LOST_MS / 1_000} s`)
      const news = await streamAs(memory, streams.events, FleetEventSchema, after === undefined ? {} : { after })
      after = news.at(-1)?.id ?? after
      heard += news.filter(({ value }) => value.type === 'agent' && /^(healthy|standby)$/.test(value.state)).length
      await pause(LOOK_MS)
    }
  }
}

async function wantedOf(memory: SharedMemory) {
  const wanted = await readAs(memory, keys.wanted, WantedSchema)
  if (!wanted) throw new Error('the fleet is not wanted')
  return wanted.value
}
