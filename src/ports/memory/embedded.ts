import { stringify } from '../../protocol/json.ts'
import type { Entry, Lease, SharedMemory, Stream, StreamEntry, WriteOptions } from './memory.ts'
import { Nudges, type Topics } from './nudges.ts'
import { loadKept, type Persist, saveKept } from './persist.ts'
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
  readonly #persist: Persist | undefined
  #lastStreamMs = 0
  #streamSequence = 0
  #writes = 0
  /** The last version or token given. It follows the clock, so that it also grows from one process to the next. */
  #counter = 0

  /** @throws FleetError `state_stale` when the persisted file cannot be read */
  constructor(persist?: Persist) {
    this.#persist = persist
    if (persist === undefined) return
    for (const { key, version, text } of loadKept(persist.file)) {
      this.#values.set(key, { version, text, endsAt: Infinity })
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
    const { expect, ttlMs } = options
    const version = this.#held(key)?.version ?? 0
    if (expect !== undefined && (expect === 'absent' ? 0 : expect) !== version) return undefined
    const next =
      value === undefined
        ? undefined
        : { version: this.#bump(), text: stringify(value), endsAt: ttlMs ? performance.now() + ttlMs : Infinity }
    this.#keep(key, next)
    if (next === undefined) this.#values.delete(key)
    else this.#values.set(key, next)
    this.#writes += 1
    if (this.#writes % SWEEP_EVERY_WRITES === 0) this.#sweep()
    this.#nudges.keyChanged(key)
    return next?.version ?? 0
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
  }

  #held(key: string): Held | undefined {
    const held = this.#values.get(key)
    if (held === undefined || held.endsAt > performance.now()) return held
    this.#values.delete(key)
    return undefined
  }

  /** Writes the file before memory changes: what is on disk is never older than what was answered. */
  #keep(key: string, next: Held | undefined): void {
    if (this.#persist === undefined || !this.#persist.keys.includes(key)) return
    const kept = []
    for (const name of this.#persist.keys) {
      const held = name === key ? next : this.#held(name)
      if (held) kept.push({ key: name, version: held.version, text: held.text })
    }
    saveKept(this.#persist.file, kept)
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
