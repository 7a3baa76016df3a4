import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcBlock } from '../chain-types.ts'
import type { Tracked } from '../pools/logs.ts'

/** A block's place in the chain. */
export interface BlockRef {
  number: number
  hash: Hex
  parentHash: Hex
}

export const refOf = (block: RpcBlock): BlockRef => ({
  number: Number(block.number),
  hash: block.hash,
  parentHash: block.parentHash,
})

/** A block that was applied, and what it changed: each pool as it was before; undefined where that is not known. */
export interface JournalEntry extends BlockRef {
  before: Map<Hex, Tracked | undefined>
}

/** Deeper than a reorg ever was on the chains that arbdeck knows. */
export const JOURNAL_BLOCKS = 128

/** The last 128 blocks, each standing on the one before, the first on `base`: enough to take them back one by one. */
export class Journal {
  #base: BlockRef
  #entries: JournalEntry[] = []

  constructor(base: BlockRef) {
    this.#base = base
  }

  push(entry: JournalEntry): void {
    this.#entries.push(entry)
    if (this.#entries.length > JOURNAL_BLOCKS) this.#base = this.#entries.shift() as JournalEntry
  }

  /** The block, if the state after it can be had back. The newest one counts. */
  find(hash: Hex): BlockRef | undefined {
    return this.#base.hash === hash ? this.#base : this.#entries.findLast((entry) => entry.hash === hash)
  }

  /** Takes the blocks above `hash` out. @returns them, newest first */
  takeAbove(hash: Hex): JournalEntry[] {
    const at = this.#entries.findIndex((entry) => entry.parentHash === hash)
    return at < 0 ? [] : this.#entries.splice(at).reverse()
  }

  /** What was noted of a pool is wrong or was never so: nobody knows how it was before the newest block. */
  forget(pool: Hex): void {
    for (const entry of this.#entries) entry.before.delete(pool)
    this.#entries.at(-1)?.before.set(pool, undefined)
  }
}
