import { appendFile, mkdir, readFile, rename, stat } from 'node:fs/promises'
import path from 'node:path'
import type { LogLevel, LogLine } from '../../protocol/records.ts'
import { now } from '../../protocol/schemas.ts'
import { logLine, printable } from './log-line.ts'
import { Nudges } from './nudges.ts'

const RING_LINES = 2_000
const FILE_BYTES = 5_000_000
const FLUSH_MS = 100

/**
 * What one unit wrote: the last lines in memory, and all of them in a file (and the file before it), so that a unit's
 * words outlive it. Without a file name it is memory only.
 */
export class UnitLog {
  readonly #source: string
  readonly #file: string | undefined
  readonly #lines: LogLine[] = []
  /** Of the first line in memory: lines are counted from the beginning. */
  #first = 0
  #unwritten: string[] = []
  #writing: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #ended = false
  readonly #nudges = new Nudges()

  constructor(source: string, file: string | undefined) {
    this.#source = source
    this.#file = file
  }

  write(level: LogLevel, message: string): void {
    const line = { at: now(), source: this.#source, level, message: printable(message) }
    this.#lines.push(line)
    if (this.#lines.length > RING_LINES) {
      this.#lines.shift()
      this.#first++
    }
    this.#nudges.nudge()
    if (this.#file === undefined) return
    this.#unwritten.push(`${JSON.stringify({ at: line.at, level, message: line.message })}\n`)
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS)
  }

  /** The unit ended: whoever follows gets what is left, and that was all. */
  end(): void {
    this.#ended = true
    this.#nudges.nudge()
  }

  /** The unit runs again. */
  begin(): void {
    this.#ended = false
  }

  /** Resolves when all that was written so far is in the file. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#append())
    return this.#writing
  }

  async *read(
    options: { tail: number; follow: boolean; since?: string },
    signal: AbortSignal,
  ): AsyncGenerator<LogLine> {
    const nudges = this.#nudges.listen(signal)[Symbol.asyncIterator]()
    try {
      let next = this.#end() - options.tail
      for (;;) {
        next = Math.max(next, this.#first)
        const fresh = this.#lines.slice(next - this.#first)
        next += fresh.length
        yield* fresh.filter((line) => line.at >= (options.since ?? ''))
        if (signal.aborted) return
        if (next < this.#end()) continue
        if (!options.follow || this.#ended) return
        await nudges.next()
      }
    } finally {
      await nudges.return?.()
    }
  }

  #end(): number {
    return this.#first + this.#lines.length
  }

  async #append(): Promise<void> {
    const text = this.#unwritten.join('')
    this.#unwritten = []
    if (text === '' || this.#file === undefined) return
    try {
      await mkdir(path.dirname(this.#file), { recursive: true, mode: 0o700 })
      const size = (await stat(this.#file).catch(() => undefined))?.size ?? 0
      if (size > FILE_BYTES) await rename(this.#file, `${this.#file}.1`)
      await appendFile(this.#file, text, { mode: 0o600 })
    } catch {
      // A full disk must not end the fleet: memory still has the last lines.
    }
  }
}

/** The last lines in a unit's files; undefined when it has none. */
export async function readLogFiles(source: string, file: string, tail: number): Promise<LogLine[] | undefined> {
  const [before, now] = await Promise.all(
    [`${file}.1`, file].map((name) => readFile(name, 'utf8').catch(() => undefined)),
  )
  if (before === undefined && now === undefined) return undefined
  const lines = `${before ?? ''}${now ?? ''}`.split('\n').filter((line) => line !== '')
  return tail === 0 ? [] : lines.slice(-tail).map((line) => logLine(source, new Date(0).toISOString(), line, 'info'))
}
