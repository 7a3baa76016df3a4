import type Docker from 'dockerode'
import type { Usage } from '../engine.ts'
import { cpuPercent } from './cgroup.ts'
import type { DockerConnection } from './connect.ts'
import { inEachOf } from './each.ts'
import { statusOf } from './errors.ts'

/** A sample serves so long; the first one for a part of that, at random, so that they do not all end at once. */
const EVERY_MS = 10_000
const FORGOTTEN_MS = 120_000
/** Each request waits up to a second for the daemon's collector: in sequence a hundred would take a minute. */
const AT_ONCE = 32
/** Without an earlier sample the daemon takes two of its own, a second apart. */
const TIMEOUT_MS = 30_000

interface Sample {
  cpuNs: number
  /** By the daemon's clock. */
  atMs: number
  /** By ours (of performance.now()): until when it serves. */
  untilMs: number
  usage: Usage
}

/** Asks the daemon what containers use, each every ten seconds at most. */
export class Polls {
  readonly #connection: DockerConnection
  /** By the container's id. */
  readonly #samples = new Map<string, Sample>()

  constructor(connection: DockerConnection) {
    this.#connection = connection
  }

  /** @param units id of the unit, and of its container */
  async read(units: readonly (readonly [string, string])[]): Promise<Map<string, Usage>> {
    const nowMs = performance.now()
    for (const [container, { untilMs }] of this.#samples)
      if (untilMs < nowMs - FORGOTTEN_MS) this.#samples.delete(container)
    const due = units.filter(([, container]) => (this.#samples.get(container)?.untilMs ?? 0) <= nowMs)
    await inEachOf(due, AT_ONCE, ([, container]) => this.#sample(container))
    return new Map(
      units.flatMap(([id, container]) => {
        const usage = this.#samples.get(container)?.usage
        return usage ? [[id, usage] as const] : []
      }),
    )
  }

  async #sample(container: string): Promise<void> {
    const before = this.#samples.get(container)
    const stats = await this.#stats(container, before !== undefined)
    if (!stats || Object.keys(stats.memory_stats ?? {}).length === 0) {
      this.#samples.delete(container) // not running
      return
    }
    const own = point(stats.cpu_stats, stats.read)
    const usage = {
      cpuPercent: cpuPercent(before ?? point(stats.precpu_stats, stats.preread), own),
      memoryBytes: memoryInUse(stats),
    }
    const servesMs = before ? EVERY_MS : Math.random() * EVERY_MS
    this.#samples.set(container, { ...own, untilMs: performance.now() + servesMs, usage })
  }

  #stats(container: string, oneShot: boolean): Promise<Docker.ContainerStats | undefined> {
    return this.#connection.ask(
      'read what a container uses',
      async () => {
        try {
          return await this.#connection.docker
            .getContainer(container)
            .stats({ stream: false, ...(oneShot ? { 'one-shot': true } : {}) })
        } catch (thrown) {
          if (statusOf(thrown) === 404 || statusOf(thrown) === 409) return undefined
          throw thrown
        }
      },
      { timeoutMs: TIMEOUT_MS },
    )
  }
}

function point(cpu: Docker.CPUStats | undefined, at: string): { cpuNs: number; atMs: number } {
  return { cpuNs: cpu?.cpu_usage?.total_usage ?? 0, atMs: Date.parse(at) }
}

/** Without the page cache that the kernel takes back when it is needed, as `docker stats` counts it. */
function memoryInUse(stats: Docker.ContainerStats): number {
  const { usage, stats: parts } = stats.memory_stats as { usage: number; stats?: Record<string, number> }
  const cache = parts?.total_inactive_file ?? parts?.inactive_file ?? 0
  return Math.max(0, usage - cache)
}
