import { setTimeout as pause } from 'node:timers/promises'
import type { Usage } from '../engine.ts'
import { type CgroupReader, cpuPercent, findCgroup, type Reading } from './cgroup.ts'
import type { DockerConnection } from './connect.ts'
import type { Looks } from './looks.ts'
import { Polls } from './polls.ts'

/** Least time between two readings that are compared: the kernel counts in ticks. */
const WINDOW_MS = 250
const FORGOTTEN_MS = 120_000

interface Known {
  read: CgroupReader
  before: Reading
  /** Once two have been compared. */
  usage?: Usage
}

/**
 * What units use: read from the kernel's own files where this process can see them, which costs the daemon nothing; else
 * asked of the daemon, a few at a time. CPU is a difference: the reading before is kept here.
 */
export class UsageReader {
  readonly #looks: Looks
  readonly #roots: readonly string[] | undefined
  readonly #polls: Polls
  /** By the container's id. */
  readonly #known = new Map<string, Known>()

  constructor(connection: DockerConnection, looks: Looks, roots?: readonly string[]) {
    this.#looks = looks
    this.#roots = roots
    this.#polls = new Polls(connection)
  }

  async read(ids: readonly string[]): Promise<Map<string, Usage>> {
    const containers = await this.#containersOf(ids)
    this.#forget()
    const fresh = containers.filter(([, container]) => !this.#known.has(container))
    for (const [, container] of fresh) {
      const known = first(container, this.#roots)
      if (known) this.#known.set(container, known)
    }
    const unseen = containers.filter(([, container]) => !this.#known.has(container))
    const polled = unseen.length > 0 ? this.#polls.read(unseen) : new Map<string, Usage>()
    if (fresh.length > unseen.length) await pause(WINDOW_MS)
    const usage = new Map(await polled)
    for (const [id, container] of containers) {
      const used = this.#used(container)
      if (used) usage.set(id, used)
    }
    return usage
  }

  /** Of containers that nobody has asked for in a while. */
  #forget(): void {
    const oldest = performance.now() - FORGOTTEN_MS
    for (const [container, { before }] of this.#known) if (before.atMs < oldest) this.#known.delete(container)
  }

  #used(container: string): Usage | undefined {
    const known = this.#known.get(container)
    const reading = known?.read()
    if (!known || !reading) {
      this.#known.delete(container)
      return undefined
    }
    if (known.usage && reading.atMs - known.before.atMs < WINDOW_MS) return known.usage
    const usage = { cpuPercent: cpuPercent(known.before, reading), memoryBytes: reading.memoryBytes }
    this.#known.set(container, { read: known.read, before: reading, usage })
    return usage
  }

  /** Units that have no container are left out. */
  async #containersOf(ids: readonly string[]): Promise<(readonly [string, string])[]> {
    const found = await Promise.all(
      ids.map(async (id) => {
        const container = await this.#looks.containerOf(id)
        return container === undefined ? undefined : ([id, container] as const)
      }),
    )
    return found.filter((pair) => pair !== undefined)
  }
}

function first(container: string, roots?: readonly string[]): Known | undefined {
  const read = findCgroup(container, roots)
  const before = read?.()
  return read && before && { read, before }
}
