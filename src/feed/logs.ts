import { setMaxListeners } from 'node:events'
import type { Engine, LogOptions } from '../ports/engine/engine.ts'
import type { LogLine } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'

/** How often a follower looks for units that are new, or that run again. */
const LOOK_MS = 1_000

/**
 * The logs of several units as one: first what is there, in time order, the last `tail` lines in all; then, with
 * `follow`, lines as they come, also of units that start later.
 *
 * @param select the ids that are meant, asked again while following
 */
export async function* mergeLogs(
  engine: Engine,
  select: () => Promise<string[]>,
  options: LogOptions,
  signal: AbortSignal,
): AsyncIterable<LogLine> {
  setMaxListeners(0, signal) // every unit's source listens to it
  const startedAt = now()
  const ids = await select()
  const past = await Promise.all(ids.map((id) => collect(engine.logs(id, { ...options, follow: false }, signal))))
  const lines = past.flat().sort((a, b) => a.at.localeCompare(b.at))
  yield* options.tail === 0 ? [] : lines.slice(-options.tail)
  if (options.follow)
    yield* new Follower(engine, select, signal, { ids, lines, at: options.since ?? startedAt }).lines()
}

async function collect(source: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const lines: LogLine[] = []
  for await (const line of source) lines.push(line)
  return lines
}

/** Follows every selected unit; one that ended is followed anew when it runs again. */
class Follower {
  readonly #engine: Engine
  readonly #select: () => Promise<string[]>
  readonly #signal: AbortSignal
  readonly #active = new Set<string>()
  /** The newest time told of each unit, and the lines of that time. */
  readonly #told = new Map<string, { at: string; messages: Set<string> }>()
  readonly #waiting: LogLine[] = []
  #wake = () => {}

  constructor(
    engine: Engine,
    select: () => Promise<string[]>,
    signal: AbortSignal,
    past: { ids: readonly string[]; lines: readonly LogLine[]; at: string },
  ) {
    this.#engine = engine
    this.#select = select
    this.#signal = signal
    // A unit that was there already is told on from now; one that starts later from its beginning.
    for (const id of past.ids) this.#told.set(id, { at: past.at, messages: new Set() })
    for (const line of past.lines) this.#remember(line)
  }

  async *lines(): AsyncIterable<LogLine> {
    const looking = setInterval(() => void this.#look(), LOOK_MS)
    const wake = () => this.#wake()
    this.#signal.addEventListener('abort', wake)
    try {
      await this.#look()
      while (!this.#signal.aborted) {
        for (let line = this.#waiting.shift(); line; line = this.#waiting.shift()) yield line
        await new Promise<void>((resolve) => {
          this.#wake = resolve
          if (this.#waiting.length > 0 || this.#signal.aborted) resolve()
        })
      }
    } finally {
      clearInterval(looking)
      this.#signal.removeEventListener('abort', wake)
    }
  }

  /** An engine that does not answer now is asked again at the next look. */
  async #look(): Promise<void> {
    const ids = await this.#select().catch(() => [])
    for (const id of ids) if (!this.#active.has(id)) void this.#follow(id)
  }

  async #follow(id: string): Promise<void> {
    this.#active.add(id)
    const since = this.#told.get(id)?.at
    try {
      for await (const line of this.#engine.logs(
        id,
        { tail: 1_000, follow: true, ...(since === undefined ? {} : { since }) },
        this.#signal,
      )) {
        if (!this.#isTold(line)) this.#take(line)
      }
    } catch {
      // Gone in between, or the engine is away: the next look begins it again.
    } finally {
      this.#active.delete(id)
    }
  }

  #take(line: LogLine): void {
    this.#remember(line)
    this.#waiting.push(line)
    this.#wake()
  }

  #remember(line: LogLine): void {
    const told = this.#told.get(line.source)
    if (told?.at === line.at) told.messages.add(line.message)
    else if (!told || told.at < line.at) this.#told.set(line.source, { at: line.at, messages: new Set([line.message]) })
  }

  #isTold(line: LogLine): boolean {
    const told = this.#told.get(line.source)
    return told !== undefined && (line.at < told.at || (line.at === told.at && told.messages.has(line.message)))
  }
}
