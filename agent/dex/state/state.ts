import { FleetError } from '../../../src/protocol/errors.ts'
import type { PoolState } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcLog } from '../chain-types.ts'
import { poolIdOf } from '../pools/log-filter.ts'
import { applyLog, type Tracked } from '../pools/logs.ts'
import { contradicts } from './contradiction.ts'
import { type BlockRef, Journal, type JournalEntry } from './journal.ts'

/** What a step did: pools whose state is another object now, and pools whose state cannot be trusted before it is read. */
export interface Changes {
  changed: Set<Hex>
  doubtful: Set<Hex>
}

export const noChanges = (): Changes => ({ changed: new Set(), doubtful: new Set() })

/**
 * The state of a set of pools at one block, with the way back. Every block that is applied stands on the one it is at;
 * a pool's state is never changed in place. It asks nobody: sync.ts moves it.
 */
export class MarketState {
  #head: BlockRef
  readonly #pools: Map<Hex, Tracked>
  #journal: Journal

  constructor(head: BlockRef, pools: Iterable<Tracked>) {
    this.#head = head
    this.#journal = new Journal(head)
    this.#pools = new Map(Array.from(pools, (tracked) => [tracked.pool.address, tracked]))
  }

  get head(): BlockRef {
    return this.#head
  }

  get size(): number {
    return this.#pools.size
  }

  get(pool: Hex): Tracked | undefined {
    return this.#pools.get(pool)
  }

  ids(): Hex[] {
    return [...this.#pools.keys()]
  }

  /** A copy of the list, not of the states: those are never changed in place. */
  states(): Map<Hex, PoolState> {
    return new Map(Array.from(this.#pools, ([id, { pool }]) => [id, pool]))
  }

  /** Whether the block is the one it is at, or one that it can go back to. */
  reaches(hash: Hex): boolean {
    return this.#journal.find(hash) !== undefined
  }

  /**
   * The block that stands on this one, with all its logs in their order. Logs of pools that are not ours are passed over.
   * @throws FleetError `internal` for a block that stands on another
   */
  applyBlock(block: BlockRef, logs: readonly RpcLog[]): Changes {
    if (block.parentHash !== this.#head.hash) throw notOurs(block, this.#head)
    const entry: JournalEntry = { ...block, before: new Map() }
    const doubtful = new Set<Hex>()
    for (const log of logs) this.#applyLog(log, entry.before, doubtful)
    this.#journal.push(entry)
    this.#head = block
    return { changed: new Set(entry.before.keys()), doubtful }
  }

  /**
   * Takes back every block above `hash`. A pool of unknown past is gone: doubtful.
   * @throws FleetError `internal` for a block that is not within reach
   */
  rewindTo(hash: Hex): Changes {
    const { changed, doubtful } = noChanges()
    const ancestor = this.#journal.find(hash)
    if (!ancestor) throw outOfReach(hash)
    for (const { before } of this.#journal.takeAbove(hash)) {
      for (const [pool, tracked] of before) {
        changed.add(pool)
        if (tracked) this.#pools.set(pool, tracked)
        else if (this.#pools.delete(pool)) doubtful.add(pool)
      }
    }
    this.#head = ancestor
    return { changed, doubtful }
  }

  /** Puts a pool's state, read at this block, in the place of what is known of it. */
  replace(tracked: Tracked): void {
    this.#pools.set(tracked.pool.address, tracked)
    this.#journal.forget(tracked.pool.address)
  }

  /** Takes a pool away: it is not on this chain. */
  remove(pool: Hex): void {
    this.#pools.delete(pool)
    this.#journal.forget(pool)
  }

  /** Everything anew, read at `head`; there is no way back. */
  reset(head: BlockRef, pools: readonly Tracked[]): void {
    this.#head = head
    this.#journal = new Journal(head)
    this.#pools.clear()
    for (const tracked of pools) this.#pools.set(tracked.pool.address, tracked)
  }

  #applyLog(log: RpcLog, before: JournalEntry['before'], doubtful: Set<Hex>): void {
    const pool = poolIdOf(log)
    const tracked = this.#pools.get(pool)
    if (!tracked) return
    const next = decoded(tracked, log)
    if (!next) doubtful.add(pool)
    if (!next || next === tracked) return
    if (contradicts(tracked.pool, next.pool)) doubtful.add(pool)
    if (!before.has(pool)) before.set(pool, tracked)
    this.#pools.set(pool, next)
  }
}

/** The pool after the log; undefined when the log is not what such a pool writes. */
function decoded(tracked: Tracked, log: RpcLog): Tracked | undefined {
  try {
    return applyLog(tracked, log)
  } catch {
    return undefined
  }
}

const outOfReach = (hash: Hex): FleetError =>
  new FleetError('internal', `the state after block ${hash} cannot be had back`, {
    remedy: 'This is a fault of arbdeck: report it.',
  })

const notOurs = (block: BlockRef, head: BlockRef): FleetError =>
  new FleetError('internal', `block ${block.number} (${block.hash}) does not stand on ${head.number} (${head.hash})`, {
    remedy: 'This is a fault of arbdeck: report it.',
  })
