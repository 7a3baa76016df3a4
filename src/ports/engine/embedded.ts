import path from 'node:path'
import { FleetError } from '../../protocol/errors.ts'
import type { LogLevel, LogLine } from '../../protocol/records.ts'
import { now } from '../../protocol/schemas.ts'
import type { Engine, LogOptions, ObservedUnit, UnitSpec, Usage } from './engine.ts'
import { Nudges } from './nudges.ts'
import { readLogFiles, UnitLog } from './unit-log.ts'

export interface EmbeddedEngineOptions {
  /** Runs a unit in this process. Resolves when it is started; rejects when it cannot be. */
  startUnit: StartUnit
  /** `logs/ID.log` is written in it; absent: logs are in memory only. */
  stateDir?: string
}

export type StartUnit = (unit: UnitSpec, log: (level: LogLevel, message: string) => void) => Promise<RunningUnit>

export interface RunningUnit {
  /** Ends it, within about graceMs. */
  stop(graceMs: number): Promise<void>
  /** Resolves when it ended by itself or was stopped; rejects when it crashed. */
  done: Promise<void>
}

interface Kept {
  spec: UnitSpec
  state: 'running' | 'exited'
  exitCode: number | null
  startedAt: string
  restarts: number
  /** Undefined once it has exited. */
  running: RunningUnit | undefined
}

const CLOSE_GRACE_MS = 5_000
/** A unit that does not answer to `stop` is let go of after the grace and this. */
const STOP_SLACK_MS = 1_000
const EXIT_CRASHED = 1

/** Runs the fleet's units in this process. `close` ends them all: they cannot outlive it. */
export function openEmbeddedEngine(options: EmbeddedEngineOptions): Engine {
  return new EmbeddedEngine(options)
}

class EmbeddedEngine implements Engine {
  readonly name = 'embedded'
  readonly #startUnit: StartUnit
  readonly #stateDir: string | undefined
  readonly #units = new Map<string, Kept>()
  readonly #logs = new Map<string, UnitLog>()
  readonly #nudges = new Nudges()
  /** Starting and stopping one unit happens one after the other. */
  readonly #queues = new Map<string, Promise<unknown>>()
  #closed = false

  constructor({ startUnit, stateDir }: EmbeddedEngineOptions) {
    this.#startUnit = startUnit
    this.#stateDir = stateDir
  }

  async list(): Promise<ObservedUnit[]> {
    this.#mustBeOpen()
    return [...this.#units].map(([id, unit]) => ({
      id,
      unit: unit.spec.unit,
      specHash: unit.spec.specHash,
      state: unit.state,
      exitCode: unit.exitCode,
      oomKilled: false,
      startedAt: unit.startedAt,
      health: null,
      ports: Object.fromEntries(unit.spec.ports.map((port) => [port.container, port.host])),
      restarts: unit.restarts,
    }))
  }

  start(spec: UnitSpec): Promise<void> {
    return this.#inTurn(spec.id, async () => {
      this.#mustBeOpen()
      const before = this.#units.get(spec.id)
      if (before?.state === 'running' && before.spec.specHash === spec.specHash) return
      if (before?.running) await this.#end(spec.id, before, CLOSE_GRACE_MS)
      const crashed = before?.state === 'exited' && before.exitCode !== 0
      await this.#run(spec, (before?.restarts ?? 0) + (crashed ? 1 : 0))
    })
  }

  stop(id: string, { graceMs, remove }: { graceMs: number; remove: boolean }): Promise<void> {
    return this.#inTurn(id, async () => {
      const unit = this.#units.get(id)
      if (!unit) return
      if (unit.running) await this.#end(id, unit, graceMs)
      if (!remove) return
      await this.#logs.get(id)?.flush()
      this.#logs.delete(id)
      this.#units.delete(id)
      this.#nudges.nudge()
    })
  }

  async *logs(id: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogLine> {
    const log = this.#logs.get(id)
    if (log) yield* log.read(options, signal)
    else yield* await this.#oldLines(id, options)
  }

  changes(signal: AbortSignal): AsyncIterable<void> {
    return this.#nudges.listen(signal)
  }

  /** Nothing: the units share one process and cannot be told apart. */
  async usage(): Promise<Map<string, Usage>> {
    return new Map()
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#units.keys()].map((id) => this.stop(id, { graceMs: CLOSE_GRACE_MS, remove: false })))
    await Promise.all([...this.#logs.values()].map((log) => log.flush()))
    this.#nudges.close()
  }

  async #run(spec: UnitSpec, restarts: number): Promise<void> {
    const log = this.#logOf(spec.id)
    log.begin()
    const startedAt = now()
    let running: RunningUnit
    try {
      running = await this.#startUnit(spec, (level, message) => log.write(level, message))
    } catch (thrown) {
      blame(log, 'could not start', thrown)
      log.end()
      this.#units.delete(spec.id)
      this.#nudges.nudge()
      throw thrown
    }
    const unit: Kept = { spec, state: 'running', exitCode: null, startedAt, restarts, running }
    this.#units.set(spec.id, unit)
    this.#nudges.nudge()
    running.done.then(
      () => this.#exited(spec.id, unit, 0),
      (thrown: unknown) => {
        blame(log, 'crashed', thrown)
        this.#exited(spec.id, unit, EXIT_CRASHED)
      },
    )
  }

  #exited(id: string, unit: Kept, exitCode: number): void {
    if (!unit.running) return // ended by us already
    unit.running = undefined
    unit.state = 'exited'
    unit.exitCode = exitCode
    if (this.#units.get(id) === unit) this.#logs.get(id)?.end()
    this.#nudges.nudge()
  }

  async #end(id: string, unit: Kept, graceMs: number): Promise<void> {
    const { running } = unit
    if (!running) return
    const log = this.#logs.get(id)
    const late = after(graceMs + STOP_SLACK_MS)
    try {
      const ended = running.stop(graceMs).then(() => true)
      if (!(await Promise.race([ended, late.promise])))
        log?.write('warn', `did not stop within ${graceMs} ms and was let go of`)
    } catch (thrown) {
      log?.write('error', `failed while it was stopped: ${wordsOf(thrown)}`)
    } finally {
      late.cancel()
    }
    this.#exited(id, unit, 0)
  }

  async #oldLines(id: string, options: LogOptions): Promise<LogLine[]> {
    const file = this.#fileOf(id)
    const lines = file === undefined ? undefined : await readLogFiles(id, file, options.tail)
    if (lines) return lines.filter((line) => line.at >= (options.since ?? ''))
    throw new FleetError('not_found', `there is no ${id} in this fleet, and there never was`, {
      remedy: 'See arbdeck ps for what there is.',
    })
  }

  #logOf(id: string): UnitLog {
    const log = this.#logs.get(id) ?? new UnitLog(id, this.#fileOf(id))
    this.#logs.set(id, log)
    return log
  }

  #fileOf(id: string): string | undefined {
    if (this.#stateDir === undefined || !/^[\w-]+$/.test(id)) return undefined
    return path.join(this.#stateDir, 'logs', `${id}.log`)
  }

  #inTurn<T>(id: string, run: () => Promise<T>): Promise<T> {
    const turn = (this.#queues.get(id) ?? Promise.resolve()).then(run, run)
    this.#queues.set(id, turn)
    const forget = () => {
      if (this.#queues.get(id) === turn) this.#queues.delete(id)
    }
    turn.then(forget, forget)
    return turn
  }

  #mustBeOpen(): void {
    if (!this.#closed) return
    throw new FleetError('engine_unreachable', 'the process that runs this fleet is ending', {
      remedy: 'Run arbdeck up again.',
      transient: true,
    })
  }
}

function blame(log: UnitLog, what: string, thrown: unknown): void {
  log.write('error', `${what}: ${wordsOf(thrown)}`)
  if (thrown instanceof Error && thrown.stack) log.write('debug', thrown.stack)
}

const wordsOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

function after(ms: number): { promise: Promise<false>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined
  const promise = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  return { promise, cancel: () => clearTimeout(timer) }
}
