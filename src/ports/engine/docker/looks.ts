import type { ObservedUnit } from '../engine.ts'
import type { DockerConnection } from './connect.ts'
import { type Inspected, inspected, observed } from './container.ts'
import { inEachOf } from './each.ts'
import { inspect } from './lifecycle.ts'
import { containerName, fleetFilter, LABELS } from './names.ts'

const INSPECTIONS_AT_ONCE = 8

/**
 * Looks at the fleet's containers. A list is one request; what only an inspection tells (exit code, start, OOM) is kept as
 * long as the list shows the same state and no event has come for the container, and only while events are heard at all.
 */
export class Looks {
  readonly #connection: DockerConnection
  readonly #fleet: string
  /** By the container's id: what was inspected; undefined while an inspection runs. */
  #known = new Map<string, { seen: Inspected | undefined }>()
  #containers = new Map<string, string>()
  #hearing = false

  constructor(connection: DockerConnection, fleet: string) {
    this.#connection = connection
    this.#fleet = fleet
  }

  /** Whether events are heard from now on: whatever happened before, or happens without, has been missed. */
  hear(hearing: boolean): void {
    this.#hearing = hearing
    this.#known = new Map()
  }

  /** An event came for a container. */
  forget(containerId: string): void {
    this.#known.delete(containerId)
  }

  async list(): Promise<ObservedUnit[]> {
    const { docker, ask } = this.#connection
    const listed = await ask('list the containers of the fleet', (abortSignal) =>
      docker.listContainers({ all: true, filters: fleetFilter(this.#fleet), abortSignal }),
    )
    const there = new Set(listed.map(({ Id }) => Id))
    for (const id of this.#known.keys()) if (!there.has(id)) this.#known.delete(id)
    const units = await inEachOf(listed, INSPECTIONS_AT_ONCE, async (one) => {
      const seen = await this.#see(one.Id, one.State)
      return seen && ([one.Id, observed(seen, one)] as const) // gone since: then it is not there
    })
    const found = units.filter((unit) => unit !== undefined)
    this.#containers = new Map(found.map(([containerId, { id }]) => [id, containerId]))
    return found.map(([, unit]) => unit)
  }

  /** The container that a unit is, by the last list, else by its name; undefined when there is none. */
  async containerOf(unitId: string): Promise<string | undefined> {
    const listed = this.#containers.get(unitId)
    if (listed !== undefined) return listed
    const info = await inspect(this.#connection, containerName(this.#fleet, unitId))
    return info?.Config.Labels?.[LABELS.fleet] === this.#fleet ? info.Id : undefined
  }

  async #see(containerId: string, status: string): Promise<Inspected | undefined> {
    const kept = this.#known.get(containerId)?.seen
    if (kept?.status === status) return kept
    const place = { seen: undefined as Inspected | undefined }
    if (this.#hearing) this.#known.set(containerId, place)
    const info = await inspect(this.#connection, containerId)
    const seen = info && inspected(this.#fleet, info)
    place.seen = seen // lost when an event came meanwhile: the place is no longer kept
    return seen
  }
}
