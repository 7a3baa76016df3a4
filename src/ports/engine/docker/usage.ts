import type Docker from 'dockerode'
import type { Usage } from '../engine.ts'
import type { DockerConnection } from './connect.ts'
import { statusOf } from './errors.ts'
import { containerName } from './names.ts'

const STALE_MS = 60_000
/** Without an earlier sample the daemon takes two of its own, a second apart. */
const TIMEOUT_MS = 15_000

interface Sample {
  container: string
  cpuNs: number
  atMs: number
}

/** CPU is a difference: the sample before is kept here. */
export class UsageReader {
  readonly #connection: DockerConnection
  readonly #fleet: string
  readonly #before = new Map<string, Sample>()

  constructor(connection: DockerConnection, fleet: string) {
    this.#connection = connection
    this.#fleet = fleet
  }

  async read(ids: readonly string[]): Promise<Map<string, Usage>> {
    const read = await Promise.all(ids.map(async (id) => [id, await this.#one(id)] as const))
    return new Map(read.flatMap(([id, usage]) => (usage ? [[id, usage] as const] : [])))
  }

  async #one(id: string): Promise<Usage | undefined> {
    const before = this.#before.get(id)
    const fresh = before !== undefined && Date.now() - before.atMs < STALE_MS
    const stats = await this.#stats(id, fresh)
    if (!stats || Object.keys(stats.memory_stats ?? {}).length === 0) return undefined // not running
    const own = toSample(stats, stats.cpu_stats, stats.read)
    const earlier =
      fresh && before?.container === own.container ? before : toSample(stats, stats.precpu_stats, stats.preread)
    this.#before.set(id, own)
    return { cpuPercent: cpuPercent(earlier, own), memoryBytes: memoryInUse(stats) }
  }

  #stats(id: string, oneShot: boolean): Promise<Docker.ContainerStats | undefined> {
    return this.#connection.ask(
      `read what ${id} uses`,
      async () => {
        try {
          const container = this.#connection.docker.getContainer(containerName(this.#fleet, id))
          return await container.stats({ stream: false, ...(oneShot ? { 'one-shot': true } : {}) })
        } catch (thrown) {
          if (statusOf(thrown) === 404 || statusOf(thrown) === 409) return undefined
          throw thrown
        }
      },
      { timeoutMs: TIMEOUT_MS },
    )
  }
}

function toSample(stats: Docker.ContainerStats, cpu: Docker.CPUStats | undefined, at: string): Sample {
  const container = (stats as { id?: string }).id ?? ''
  return { container, cpuNs: cpu?.cpu_usage?.total_usage ?? 0, atMs: Date.parse(at) }
}

/** 100 is one core; 0 when there is nothing to compare with. */
export function cpuPercent(before: { cpuNs: number; atMs: number }, now: { cpuNs: number; atMs: number }): number {
  const elapsedNs = (now.atMs - before.atMs) * 1_000_000
  if (!(elapsedNs > 0) || before.cpuNs === 0 || now.cpuNs < before.cpuNs) return 0
  return Math.round(((now.cpuNs - before.cpuNs) / elapsedNs) * 1_000) / 10
}

/** Without the page cache that the kernel takes back when it is needed, as `docker stats` counts it. */
function memoryInUse(stats: Docker.ContainerStats): number {
  const { usage, stats: parts } = stats.memory_stats as { usage: number; stats?: Record<string, number> }
  const cache = parts?.total_inactive_file ?? parts?.inactive_file ?? 0
  return Math.max(0, usage - cache)
}
