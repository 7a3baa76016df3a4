import { stringify } from '../../protocol/json.ts'
import type { Entry, Lease, SharedMemory, Stream, StreamEntry, WriteOptions } from './memory.ts'
import { Nudges, type Topics } from './nudges.ts'
import type { Journal } from './persist.ts'
import { checkStreamId, streamId } from './stream-id.ts'

const DEFAULT_STREAM_LENGTH = 1_000
const SWEEP_EVERY_WRITES = 1_000

interface Held {
  version: number
  /** JSON: nobody can change what is held by changing what he wrote or read. */
  text: string
  /** On the clock of `performance.now()`; Infinity: stays. */
  endsAt: number
}

/** Shared memory inside one process: all who share it hold the same instance. */
export class EmbeddedMemory implements SharedMemory {
  readonly #values = new Map<string, Held>()
  readonly #leases = new Map<string, { owner: string; token: number; endsAt: number }>()
  readonly #streams = new Map<string, { id: string; text: string }[]>()
  readonly #nudges = new Nudges()
  readonly #journal: Journal | undefined
  /** Kept keys that are being written: the next writer of one waits for the one before. */
  readonly #turns = new Map<string, Promise<unknown>>()
  #lastStreamMs = 0
  #streamSequence = 0
  #writes = 0
  /** The last version or token given. It follows the clock, so that it also grows from one process to the next. */
  #counter = 0

  /** @param journal what it keeps is here from the start, and is on the disk before a write of it resolves or can be read */
  constructor(journal?: Journal) {
    this.#journal = journal
    for (const [key, { version, text, endsAtMs }] of journal?.kept ?? []) {
      const endsAt = endsAtMs === undefined ? Infinity : performance.now() + endsAtMs - Date.now()
      this.#values.set(key, { version, text, endsAt })
      this.#counter = Math.max(this.#counter, version)
    }
  }

  async read(key: string): Promise<Entry | undefined> {
    const held = this.#held(key)
    return held && { key, version: held.version, value: JSON.parse(held.text) }
  }

  async list(prefix: string): Promise<Entry[]> {
    const entries: Entry[] = []
    for (const key of [...this.#values.keys()].filter((name) => name.startsWith(prefix)).sort()) {
      const held = this.#held(key)
      if (held) entries.push({ key, version: held.version, value: JSON.parse(held.text) })
    }
    return entries
  }

  async write(key: string, value: unknown, options: WriteOptions = {}): Promise<number | undefined> {
    const journal = this.#journal
    if (!journal?.keeps(key)) {
      const change = this.#decide(key, value, options)
      return change && this.#set(key, change.next)
    }
    return this.#inTurn(key, async () => {
      const change = this.#decide(key, value, options)
      if (change === undefined) return undefined
      const { next } = change
      const endsAtMs = options.ttlMs ? Date.now() + options.ttlMs : undefined
      await journal.append(key, next && { version: next.version, text: next.text, endsAtMs })
      return this.#set(key, next)
    })
  }

  async lease(name: string, owner: string, ttlMs: number): Promise<Lease | undefined> {
    const held = this.#leases.get(name)
    if (held && held.endsAt > performance.now() && held.owner !== owner) return undefined
    const mine = { owner, token: this.#bump(), endsAt: performance.now() + ttlMs }
    this.#leases.set(name, mine)
    const isMine = () => this.#leases.get(name) === mine && mine.endsAt > performance.now()
    return {
      token: mine.token,
      renew: async (ms = ttlMs) => {
        if (!isMine()) return false
        mine.endsAt = performance.now() + ms
        return true
      },
      release: async () => {
        if (isMine()) this.#leases.delete(name)
      },
    }
  }

  stream(name: string): Stream {
    return {
      append: async (value, maxLength = DEFAULT_STREAM_LENGTH) => {
        const entries = this.#streams.get(name) ?? []
        this.#streams.set(name, entries)
        const id = this.#nextStreamId()
        entries.push({ id, text: stringify(value) })
        entries.splice(0, Math.max(0, entries.length - maxLength))
        this.#nudges.streamChanged(name)
        return id
      },
      read: async ({ after, last = 100 } = {}) => {
        const entries = this.#streams.get(name) ?? []
        if (after === undefined) return entries.slice(Math.max(0, entries.length - last)).map(streamEntryOf)
        const from = checkStreamId(after)
        return entries.filter((entry) => entry.id > from).map(streamEntryOf)
      },
    }
  }

  watch(topics: Topics, signal: AbortSignal): AsyncIterable<void> {
    return this.#nudges.watch(topics, signal, () => true)
  }

  async close(): Promise<void> {
    this.#nudges.close()
    await this.#journal?.close()
  }

  #held(key: string): Held | undefined {
    const held = this.#values.get(key)
    if (held === undefined || held.endsAt > performance.now()) return held
    this.#values.delete(key)
    return undefined
  }

  /** What a write comes to; undefined when another has written since. */
  #decide(key: string, value: unknown, { expect, ttlMs }: WriteOptions): { next: Held | undefined } | undefined {
    const version = this.#held(key)?.version ?? 0
    if (expect !== undefined && (expect === 'absent' ? 0 : expect) !== version) return undefined
    if (value === undefined) return { next: undefined }
    const endsAt = ttlMs ? performance.now() + ttlMs : Infinity
    return { next: { version: this.#bump(), text: stringify(value), endsAt } }
  }

  #set(key: string, next: Held | undefined): number {
    if (next === undefined) this.#values.delete(key)
    else this.#values.set(key, next)
    this.#writes += 1
    if (this.#writes % SWEEP_EVERY_WRITES === 0) this.#sweep()
    this.#nudges.keyChanged(key)
    return next?.version ?? 0
  }

  #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#turns.get(key) ?? Promise.resolve()).then(work, work)
    const over = () => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
    const turn = mine.then(over, over)
    this.#turns.set(key, turn)
    return mine
  }

  #bump(): number {
    this.#counter = Math.max(this.#counter + 1, Date.now())
    return this.#counter
  }

  #nextStreamId(): string {
    const ms = Math.max(Date.now(), this.#lastStreamMs)
    this.#streamSequence = ms === this.#lastStreamMs ? this.#streamSequence + 1 : 0
    this.#lastStreamMs = ms
    return streamId(ms, this.#streamSequence)
  }

  #sweep(): void {
    for (const key of this.#values.keys()) this.#held(key)
    for (const [name, lease] of this.#leases) if (lease.endsAt <= performance.now()) this.#leases.delete(name)
  }
}

const streamEntryOf = ({ id, text }: { id: string; text: string }): StreamEntry => ({ id, value: JSON.parse(text) })
