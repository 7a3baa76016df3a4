import { setTimeout as pause } from 'node:timers/promises'
import type { Engine, ObservedUnit, Usage } from '../ports/engine/engine.ts'
import { asFleetError } from '../protocol/errors.ts'
import type { FleetSpec } from '../protocol/fleet.ts'
import type { LogLevel } from '../protocol/records.ts'
import type { Heavy } from './health.ts'

/** Each agent is asked so often, a slice of them every tick. */
const EVERY_MS = 30_000
const TICK_MS = 1_000

/** Asks rarely, and not all at once, how much agents use; knows which have been above their share, and since when. */
export class UsageWatch {
  /** Newest figures by id. */
  readonly usage = new Map<string, Usage>()
  readonly heavy = new Map<string, Heavy>()
  readonly #engine: Engine
  readonly #log: (level: LogLevel, message: string) => void
  #watched: { unit: ObservedUnit; percent: number }[] = []
  #next = 0

  constructor(engine: Engine, log: (level: LogLevel, message: string) => void) {
    this.#engine = engine
    this.#log = log
  }

  /** Whom to ask from now on; none when somebody else keeps the fleet. What another run of a unit used is forgotten. */
  watch(observed: readonly ObservedUnit[], spec: Pick<FleetSpec, 'roles'>): void {
    const before = new Map(this.#watched.map(({ unit }) => [unit.id, unit.startedAt]))
    this.#watched = observed.flatMap((unit) => {
      const role = unit.unit.kind === 'agent' && unit.state === 'running' ? spec.roles[unit.unit.role] : undefined
      return role ? [{ unit, percent: role.health.memoryPercent }] : []
    })
    const same = new Set(
      this.#watched.filter(({ unit }) => before.get(unit.id) === unit.startedAt).map(({ unit }) => unit.id),
    )
    for (const id of this.usage.keys()) if (!same.has(id)) this.usage.delete(id)
    for (const id of this.heavy.keys()) if (!same.has(id)) this.heavy.delete(id)
  }

  /** Until the signal aborts. Embedded agents share one process: there is nothing to ask. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#engine.name === 'embedded') return
    while (!signal.aborted) {
      await this.tick(Date.now()).catch((thrown: unknown) =>
        this.#log('debug', `usage could not be read: ${asFleetError(thrown).message}`),
      )
      await pause(TICK_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** Asks the next slice. */
  async tick(nowMs: number): Promise<void> {
    const watched = this.#watched
    const size = Math.ceil((watched.length * TICK_MS) / EVERY_MS)
    if (size === 0) return
    const slice = Array.from(
      { length: size },
      (_, i) => watched[(this.#next + i) % watched.length] as (typeof watched)[0],
    )
    this.#next = (this.#next + size) % watched.length
    const used = await this.#engine.usage(slice.map(({ unit }) => unit.id))
    for (const { unit, percent } of slice) this.#note(unit, percent, used.get(unit.id), nowMs)
  }

  #note({ id, memoryLimitBytes }: ObservedUnit, limitPercent: number, used: Usage | undefined, nowMs: number): void {
    if (used === undefined) return
    this.usage.set(id, used)
    const percent = memoryLimitBytes ? Math.round((used.memoryBytes / memoryLimitBytes) * 100) : 0
    if (percent > limitPercent) this.heavy.set(id, { sinceMs: this.heavy.get(id)?.sinceMs ?? nowMs, percent })
    else this.heavy.delete(id)
  }
}
