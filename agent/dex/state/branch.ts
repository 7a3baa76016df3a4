import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcBlock } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'
import { JOURNAL_BLOCKS } from './journal.ts'
import type { MarketState } from './state.ts'

/** From here on, reading everything anew is cheaper than the logs of every block that was missed. */
const MOST_BEHIND = 48
const HEADERS_KEPT = 256

/** Blocks that lead from one that the state can go back to, `ancestor`, to a head; oldest first. */
export interface Branch {
  ancestor: Hex
  blocks: RpcBlock[]
}

/** Headers by hash: those that were heard, so that few must be asked for. */
export class Headers {
  readonly #byHash = new Map<Hex, RpcBlock>()

  hear(head: RpcBlock): void {
    this.#byHash.set(head.hash, head)
    const oldest = this.#byHash.keys().next().value
    if (this.#byHash.size > HEADERS_KEPT && oldest !== undefined) this.#byHash.delete(oldest)
  }

  async read(rpc: Rpc, hash: Hex): Promise<RpcBlock | undefined> {
    const heard = this.#byHash.get(hash)
    if (heard) return heard
    return (await rpc.request<RpcBlock | null>('eth_getBlockByHash', [hash, false])) ?? undefined
  }
}

/** The way to a head, parent by parent; undefined when there is none that is worth going: read everything anew. */
export async function branchTo(
  head: RpcBlock,
  state: MarketState,
  rpc: Rpc,
  headers: Headers,
): Promise<Branch | undefined> {
  if (Number(head.number) - state.head.number > MOST_BEHIND) return undefined
  const blocks = [head]
  for (let at = head; blocks.length <= JOURNAL_BLOCKS; ) {
    if (state.reaches(at.parentHash)) return { ancestor: at.parentHash, blocks: blocks.reverse() }
    if (state.head.number - Number(at.number) > JOURNAL_BLOCKS) return undefined
    const parent = await headers.read(rpc, at.parentHash)
    if (!parent) return undefined
    blocks.push(parent)
    at = parent
  }
  return undefined
}
