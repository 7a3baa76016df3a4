import type { z } from 'zod'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { streamAs } from '../ports/memory/typed.ts'

/** The newest entries of a stream, read on from where the last read ended. */
export class Ring<S extends z.ZodType> {
  readonly #memory: SharedMemory
  readonly #stream: string
  readonly #schema: S
  readonly #length: number
  #entries: { id: string; value: z.output<S> }[] = []

  constructor(memory: SharedMemory, stream: string, schema: S, length: number) {
    this.#memory = memory
    this.#stream = stream
    this.#schema = schema
    this.#length = length
  }

  /** Oldest first, at most `length`. */
  async read(): Promise<z.output<S>[]> {
    const after = this.#entries.at(-1)?.id
    const fresh = await streamAs(
      this.#memory,
      this.#stream,
      this.#schema,
      after === undefined ? { last: this.#length } : { after },
    )
    const known = new Set(this.#entries.map((entry) => entry.id)) // two reads at once may bring the same entry
    this.#entries = [...this.#entries, ...fresh.filter((entry) => !known.has(entry.id))].slice(-this.#length)
    return this.#entries.map((entry) => entry.value)
  }
}
