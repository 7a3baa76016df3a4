/**
 * What the processes of one fleet share. Values are JSON (bigints go in as bigint or decimal string and come out as
 * decimal strings: decode them with their zod schema). Keys are listed in protocol/keys.ts.
 *
 * Compare-and-set is atomic; a lease ends by itself; fencing tokens only ever grow. Every method throws FleetError
 * `memory_unreachable` (transient) within seconds when the server cannot be reached: not seeing is an error, never an
 * absent value. What was to be written then may have been written or not: read it again.
 */
export interface SharedMemory {
  read(key: string): Promise<Entry | undefined>
  /** All entries whose key starts with `prefix`, by key. */
  list(prefix: string): Promise<Entry[]>
  /**
   * Writes a value, or removes it when `value` is undefined.
   * @returns the new version (0 after a removal), or undefined when `expect` did not hold
   */
  write(key: string, value: unknown, options?: WriteOptions): Promise<number | undefined>
  /**
   * Takes the lease `name` for `owner`, or gives undefined while another owner holds it. The same owner takes it again,
   * with a larger token; what it held before is then lost.
   */
  lease(name: string, owner: string, ttlMs: number): Promise<Lease | undefined>
  /** A bounded list that is only appended to. */
  stream(name: string): Stream
  /**
   * Yields when something under one of the prefixes, or in one of the streams, may have changed. A nudge carries no news;
   * misses none after the first `next()` but may merge many into one. The first nudge comes as soon as it watches. An
   * outage does not end it: the server's return is a nudge. That a value's time to live has ended is none: look by the
   * clock too. Ends, without an error, when the signal aborts or the memory is closed.
   */
  watch(topics: { prefixes?: readonly string[]; streams?: readonly string[] }, signal: AbortSignal): AsyncIterable<void>
  close(): Promise<void>
}

export interface Entry {
  key: string
  /** Rises with every write of the key, also across a removal within one server's life. */
  version: number
  value: unknown
}

export interface WriteOptions {
  /** Write only if the key has this version, or does not exist. */
  expect?: number | 'absent'
  /** The value ends by itself after this time unless written again. */
  ttlMs?: number
}

export interface Lease {
  /** Larger than that of every earlier holder. */
  readonly token: number
  /** False when it was lost: stop at once. Throwing leaves it held until its time is up. */
  renew(ttlMs?: number): Promise<boolean>
  release(): Promise<void>
}

export interface Stream {
  /** @returns the entry's id; ids sort in the order of appending */
  append(value: unknown, maxLength?: number): Promise<string>
  /** Entries after an id (exclusive), oldest first; without `after` the last `last` (default 100), oldest first. */
  read(options?: { after?: string; last?: number }): Promise<StreamEntry[]>
}

export interface StreamEntry {
  id: string
  value: unknown
}
