import { readFileSync } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { FleetError } from '../../protocol/errors.ts'

/** What outlives the process, in a file of one change a line. */
export interface Persist {
  file: string
  keys: readonly string[]
  /** All keys that begin with one of these, too. */
  prefixes?: readonly string[]
}

export interface Kept {
  version: number
  /** JSON */
  text: string
  /** When it ends, in ms since 1970, on the wall clock: it must hold from one process to the next. Absent: it stays. */
  endsAtMs?: number | undefined
}

/** In front of every journal. It is written with the file's first contents, so that no crash leaves half of it. */
const HEADER = '{"journal":1}'
const LineSchema = z.object({
  key: z.string(),
  version: z.int(),
  /** Null: the key was removed. */
  text: z.string().nullable(),
  endsAtMs: z.number().optional(),
})
type Line = z.output<typeof LineSchema>

/** The file is written anew when it is so many times as long as what it keeps, and longer than this. */
const GROWTH = 4
const LEAST_BYTES = 1_048_576

interface Waiting {
  line: Line
  done(): void
  failed(why: FleetError): void
}

/**
 * The changes of some keys, one after another, in a file that only its owner reads. What was acknowledged is on the disk:
 * it survives the process, and the machine. Changes that come while the disk is busy share its next turn.
 */
export class Journal {
  readonly #persist: Persist
  readonly #kept: Map<string, Kept>
  #file: FileHandle | undefined
  /** Length of what is whole, in bytes; behind it is nothing, or what could not be written to its end. */
  #size = 0
  #compactedTo = 0
  #torn = false
  #waiting: Waiting[] = []
  #working: Promise<void> | undefined

  private constructor(persist: Persist, kept: Map<string, Kept>) {
    this.#persist = persist
    this.#kept = kept
  }

  /**
   * Reads the file and writes it anew, without what is over. A last line that was cut short was never acknowledged: it counts for nothing.
   * @throws FleetError `state_stale` when it cannot be understood, `disk_full` and `memory_unreachable` when it cannot be written
   */
  static async open(persist: Persist): Promise<Journal> {
    const journal = new Journal(persist, readJournal(persist.file))
    await journal.#compact().catch((thrown: unknown) => {
      throw notWritten(persist.file, thrown)
    })
    return journal
  }

  get kept(): ReadonlyMap<string, Kept> {
    return this.#kept
  }

  keeps(key: string): boolean {
    const { keys, prefixes = [] } = this.#persist
    return keys.includes(key) || prefixes.some((prefix) => key.startsWith(prefix))
  }

  /**
   * Resolves when it is on the disk. After a failure the file is as before, and so is `kept`.
   * @param kept undefined: the key is removed
   * @throws FleetError `disk_full`, `memory_unreachable` (transient)
   */
  append(key: string, kept: Kept | undefined): Promise<void> {
    const line: Line = kept ? { key, ...kept } : { key, version: 0, text: null }
    const appended = new Promise<void>((done, failed) => {
      this.#waiting.push({ line, done, failed })
    })
    this.#working ??= this.#work()
    return appended
  }

  /** After what is under way. */
  async close(): Promise<void> {
    await this.#working
    await this.#file?.close()
    this.#file = undefined
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        await this.#write(batch.map(({ line }) => line))
        for (const { done } of batch) done()
      } catch (thrown) {
        // To be tried again: a task that has signed must not end without the record of what came of it.
        const why = notWritten(this.#persist.file, thrown, true)
        for (const { failed } of batch) failed(why)
      }
    }
    this.#working = undefined
  }

  async #write(lines: readonly Line[]): Promise<void> {
    const file = this.#file
    if (file === undefined) throw new Error('it is closed')
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    if (this.#torn) await this.#mend(file)
    try {
      await file.appendFile(bytes)
      await file.datasync()
    } catch (thrown) {
      this.#torn = true
      await this.#mend(file).catch(() => undefined)
      throw thrown
    }
    this.#size += bytes.length
    for (const line of lines) put(this.#kept, line)
    // What was asked is done: a file that is longer than it need be harms nobody.
    if (this.#size > LEAST_BYTES && this.#size > GROWTH * this.#compactedTo)
      await this.#compact().catch(() => undefined)
  }

  /** Cuts off what could not be written to its end. */
  async #mend(file: FileHandle): Promise<void> {
    await file.truncate(this.#size)
    this.#torn = false
  }

  /** Replaces the file in one piece, mode 0600; what was there before stays whole when that fails. */
  async #compact(): Promise<void> {
    const { file } = this.#persist
    for (const [key, { endsAtMs }] of this.#kept)
      if (endsAtMs !== undefined && endsAtMs <= Date.now()) this.#kept.delete(key)
    const lines = [...this.#kept].map(([key, kept]) => JSON.stringify({ key, ...kept } satisfies Line))
    const bytes = Buffer.from(`${[HEADER, ...lines].join('\n')}\n`)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await rm(`${file}.new`, { force: true })
    const fresh = await open(`${file}.new`, 'ax', 0o600)
    try {
      await fresh.writeFile(bytes)
      await fresh.sync()
      await rename(`${file}.new`, file)
    } catch (thrown) {
      await fresh.close()
      throw thrown
    }
    const before = this.#file
    this.#file = fresh
    this.#torn = false
    this.#size = bytes.length
    this.#compactedTo = bytes.length
    await before?.close().catch(() => undefined)
    await syncFolder(dirname(file))
  }
}

/** Without it a power cut may bring the old file back. Not every system can. */
async function syncFolder(folder: string): Promise<void> {
  const directory = await open(folder, 'r').catch(() => undefined)
  await directory?.sync().catch(() => undefined)
  await directory?.close()
}

function put(into: Map<string, Kept>, { key, version, text, endsAtMs }: Line): void {
  if (text === null) into.delete(key)
  else into.set(key, { version, text, ...(endsAtMs !== undefined && { endsAtMs }) })
}

/** @returns nothing when the file does not exist. @throws FleetError `state_stale` */
export function readJournal(file: string): Map<string, Kept> {
  const kept = new Map<string, Kept>()
  try {
    const text = readFileSync(file, 'utf8')
    // Behind the last line end is nothing, or a line that was cut short.
    const [header, ...lines] = text.split('\n').slice(0, -1)
    if (header !== HEADER) throw new Error('it does not begin as a journal does')
    for (const line of lines) {
      const change = LineSchema.parse(JSON.parse(line))
      if (change.text !== null) JSON.parse(change.text)
      put(kept, change)
    }
    return kept
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return kept
    throw new FleetError('state_stale', `The saved state of the fleet in ${file} cannot be read`, {
      remedy: `Run \`arbdeck down --volumes\`, or remove ${file}. What its executors lost today, and the nonces they have given out, are forgotten with it.`,
      cause,
    })
  }
}

function notWritten(file: string, cause: unknown, transient = false): FleetError {
  const isFull = ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')
  return new FleetError(isFull ? 'disk_full' : 'memory_unreachable', `Cannot write ${file}: ${String(cause)}`, {
    remedy: isFull ? 'Free some space on that disk.' : 'Make the folder writable for this user.',
    transient,
    cause,
  })
}
