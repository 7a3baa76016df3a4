import type { z } from 'zod'
import type { Engine, ObservedUnit, UnitSpec } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { FleetError } from '../protocol/errors.ts'
import { type Failure, FailureSchema } from '../protocol/failure.ts'
import { AgentRecordSchema, ServiceRecordSchema, type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { decode } from '../protocol/json.ts'
import { keys } from '../protocol/keys.ts'
import type { Beat } from './vitals.ts'

/** Of an agent's record what a pass needs: its tools are most of its size. */
const AgentBeatSchema = AgentRecordSchema.pick({ id: true, state: true, at: true, note: true })
const ServiceBeatSchema = ServiceRecordSchema.pick({ name: true, state: true, at: true, note: true })

/** All that one pass goes by. */
export interface Seen {
  wanted: Wanted
  /** Only what is this watcher's to keep, like `observed`. */
  desired: readonly UnitSpec[]
  observed: readonly ObservedUnit[]
  /** Of agents and services, by the unit's id. */
  beats: ReadonlyMap<string, Beat>
  failures: ReadonlyMap<string, Failure>
}

export interface LookerParts {
  memory: SharedMemory
  engine: Engine
  /** Which units a wanted fleet consists of. */
  unitsOf(wanted: Wanted): UnitSpec[]
  /** Which of the engine's units are this watcher's to keep. */
  keeps(id: string): boolean
}

/** Looks at what is wanted, what runs and what is said. The units of a wanted fleet are worked out once a version. */
export class Looker {
  readonly #parts: LookerParts
  #known: { version: number; wanted: Wanted; desired: UnitSpec[] } | undefined

  constructor(parts: LookerParts) {
    this.#parts = parts
  }

  /** The units that were wanted when it looked last; empty before. */
  get known(): readonly UnitSpec[] {
    return this.#known?.desired ?? []
  }

  /** @throws FleetError when it cannot see, `not_found` when nobody has said what is wanted */
  async look(): Promise<Seen> {
    const { memory, engine, keeps } = this.#parts
    const [known, units, agentEntries, serviceEntries, failureEntries] = await Promise.all([
      this.wanted(),
      engine.list(),
      memory.list(keys.agents),
      memory.list(keys.services),
      memory.list(keys.failures),
    ])
    const agents = valid(AgentBeatSchema, agentEntries).map((beat): [string, Beat] => [beat.id, beat])
    const services = valid(ServiceBeatSchema, serviceEntries).map((beat): [string, Beat] => [beat.name, beat])
    return {
      ...known,
      observed: units.filter((unit) => keeps(unit.id)),
      beats: new Map<string, Beat>([...services, ...agents]),
      failures: new Map(valid(FailureSchema, failureEntries).map((failure) => [failure.id, failure])),
    }
  }

  /** @throws FleetError `not_found` when nobody has said what is wanted */
  async wanted(): Promise<{ wanted: Wanted; desired: readonly UnitSpec[] }> {
    const entry = await this.#parts.memory.read(keys.wanted)
    if (!entry)
      throw new FleetError('not_found', 'shared memory does not say which fleet is wanted', {
        remedy: 'Run arbdeck up again: it writes it.',
        transient: true,
      })
    if (this.#known?.version !== entry.version) {
      const wanted = decode(WantedSchema, entry.value, 'the wanted fleet in shared memory')
      const desired = this.#parts.unitsOf(wanted).filter((unit) => this.#parts.keeps(unit.id))
      this.#known = { version: entry.version, wanted, desired }
    }
    return this.#known
  }
}

/** What cannot be understood is left out: one agent's record must not stop the keeping of the others. */
function valid<S extends z.ZodType>(schema: S, entries: readonly { value: unknown }[]): z.output<S>[] {
  return entries.flatMap(({ value }) => {
    const read = schema.safeParse(value)
    return read.success ? [read.data] : []
  })
}
