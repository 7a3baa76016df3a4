import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcLog } from '../chain-types.ts'

const BLOCKS_KEPT = 64

/**
 * What a subscription brought, by block: logs come before their head or after it, late, twice, or not at all. It is never
 * proof; it lets the search begin before the proof is there.
 */
export class LogBuffer {
  readonly #blocks = new Map<Hex, Map<number, RpcLog>>()

  /** A log that the node takes back says nothing of the block that is there instead: its head does. */
  add(log: RpcLog): void {
    const index = Number(log.logIndex)
    const block = this.#blocks.get(log.blockHash)
    if (log.removed) block?.delete(index)
    else if (block) block.set(index, log)
    else this.#begin(log.blockHash).set(index, log)
  }

  /** What came for a block so far, in the order of the block. */
  of(blockHash: Hex): RpcLog[] {
    return inOrder([...(this.#blocks.get(blockHash)?.values() ?? [])])
  }

  #begin(blockHash: Hex): Map<number, RpcLog> {
    const block = new Map<number, RpcLog>()
    this.#blocks.set(blockHash, block)
    const oldest = this.#blocks.keys().next().value
    if (this.#blocks.size > BLOCKS_KEPT && oldest !== undefined) this.#blocks.delete(oldest)
    return block
  }
}

export const inOrder = (logs: readonly RpcLog[]): RpcLog[] =>
  [...logs].sort((a, b) => Number(a.logIndex) - Number(b.logIndex))

/** Whether two lists, both in order, hold the same logs. */
export function sameLogs(one: readonly RpcLog[], other: readonly RpcLog[]): boolean {
  return (
    one.length === other.length &&
    one.every((log, at) => {
      const twin = other[at] as RpcLog
      return (
        log.logIndex === twin.logIndex &&
        log.address === twin.address &&
        log.data === twin.data &&
        log.topics.join() === twin.topics.join()
      )
    })
  )
}

/** Whether every log of `brought` is among `proven`. */
export function covers(proven: readonly RpcLog[], brought: readonly RpcLog[]): boolean {
  const there = new Set(proven.map((log) => log.logIndex))
  return brought.every((log) => there.has(log.logIndex))
}
