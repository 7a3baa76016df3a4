import type { Engine } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { asFleetError, type FleetError } from '../protocol/errors.ts'
import type { NewFleetEvent } from '../protocol/event.ts'
import type { Failure } from '../protocol/failure.ts'
import { keys, streams } from '../protocol/keys.ts'
import type { LogLevel } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'
import { FAILURE_TTL_MS, failureAfter } from './failures.ts'
import { describeStep, planLine, type Step } from './plan.ts'
import { Slots } from './slots.ts'

/** Last words of a unit that ended. */
const WORDS = 5
const WORDS_MS = 500
const WORD_LENGTH = 300
/** Before a start that failed is tried again. */
const START_AGAIN_MS = 1_000
const EVENTS_KEPT = 5_000
/** Not the unit's fault: whoever looks next finds the same. */
const OUTAGES: readonly string[] = ['engine_unreachable', 'memory_unreachable']

export interface HandsParts {
  engine: Engine
  memory: SharedMemory
  /** Starts at once; stops, which mostly wait, are twice as many. */
  concurrency: number
  log(level: LogLevel, message: string): void
  /** Called whenever a step is over. */
  onDone(): void
}

/** Takes steps, so many at once, while others look on. A unit at work is in `busy` and gets no second step. */
export class Hands {
  readonly busy = new Set<string>()
  readonly #parts: HandsParts
  readonly #starts: Slots
  readonly #stops: Slots
  readonly #running = new Set<Promise<void>>()
  #failures: string[] = []

  constructor(parts: HandsParts) {
    this.#parts = parts
    this.#starts = new Slots(parts.concurrency)
    this.#stops = new Slots(parts.concurrency * 2)
  }

  /**
   * Begins the steps in their order, each when it is its turn and only while `goOn` holds.
   * @param failures of before, by id
   */
  begin(steps: readonly Step[], failures: ReadonlyMap<string, Failure>, goOn: () => Promise<boolean>): void {
    for (const step of steps) {
      const { id } = planLine(step)
      if (this.busy.has(id)) continue
      this.busy.add(id)
      const running = this.#take(step, failures.get(id), goOn).finally(() => {
        this.busy.delete(id)
        this.#running.delete(running)
        this.#parts.onDone()
      })
      this.#running.add(running)
    }
  }

  /** Resolves when nothing is at work. @returns what failed since it was asked last */
  async settled(): Promise<string[]> {
    while (this.#running.size > 0) await Promise.all(this.#running)
    const failures = this.#failures
    this.#failures = []
    return failures
  }

  /** Reads a unit's last words, and keeps why it failed for whoever asks. */
  async record(failure: Failure): Promise<void> {
    const { memory, log } = this.#parts
    try {
      const lines = failure.startedAt === null ? [] : await this.#lastWords(failure.id)
      const waitMs = Math.max(0, Date.parse(failure.until) - Date.now())
      await memory.write(keys.failure(failure.id), { ...failure, lines }, { ttlMs: waitMs + FAILURE_TTL_MS })
      const { id, cause, count } = failure
      await this.#say({ type: 'failure', id, cause, lines, count, waitMs })
    } catch (thrown) {
      log('warn', `could not record that ${failure.id} failed: ${asFleetError(thrown).message}`)
    }
  }

  async #take(step: Step, before: Failure | undefined, goOn: () => Promise<boolean>): Promise<void> {
    const failed = step.kind === 'stop' ? undefined : step.failed
    let stopped = false
    try {
      if (step.kind !== 'start') {
        const { id } = planLine(step)
        const remove = step.kind === 'stop'
        stopped = await this.#inTurn(this.#stops, step, goOn, async () => {
          if (failed) await this.record(failed)
          await this.#parts.engine.stop(id, { graceMs: step.graceMs, remove })
        })
        if (!stopped) return
      }
      if (step.kind !== 'stop') {
        // Once it is stopped it is started again, whoever holds the lease by now: starting what runs changes nothing.
        const may = stopped ? async () => true : goOn
        const started = await this.#inTurn(this.#starts, stopped ? undefined : step, may, async () => {
          if (failed && !stopped) await this.record(failed)
          await this.#parts.engine.start(step.unit)
        })
        if (!started) return
      }
      await this.#say({ type: 'step', ...planLine(step) })
    } catch (thrown) {
      await this.#fail(step, failed ?? before, asFleetError(thrown))
    }
  }

  async #inTurn(slots: Slots, step: Step | undefined, goOn: () => Promise<boolean>, act: () => Promise<void>) {
    return slots.use(async () => {
      if (!(await goOn())) return false
      if (step) this.#parts.log('info', describeStep(step))
      await act()
      return true
    })
  }

  async #fail(step: Step, before: Failure | undefined, error: FleetError): Promise<void> {
    const words = `${describeStep(step)}: ${error.message}`
    this.#failures.push(words)
    this.#parts.log(error.transient ? 'warn' : 'error', words)
    if (step.kind === 'stop' || OUTAGES.includes(error.code)) return
    const { id, specHash } = step.unit
    const cause = `could not be started: ${error.message}`
    const failed = { id, cause, startedAt: null, specHash, ill: false, leastWaitMs: START_AGAIN_MS }
    await this.record(failureAfter(before, failed, Date.now()))
  }

  async #lastWords(id: string): Promise<string[]> {
    const lines: string[] = []
    try {
      const source = this.#parts.engine.logs(id, { tail: WORDS * 2, follow: false }, AbortSignal.timeout(WORDS_MS))
      for await (const { level, message } of source) if (level !== 'debug') lines.push(message.slice(0, WORD_LENGTH))
    } catch {
      // It is gone, or says nothing in time: its end is told without its words.
    }
    return lines.slice(-WORDS)
  }

  async #say(event: NewFleetEvent): Promise<void> {
    await this.#parts.memory.stream(streams.events).append({ at: now(), ...event }, EVENTS_KEPT)
  }
}
