import { keccak256 } from 'ethers'
import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcBlock, RpcLog } from '../chain-types.ts'
import { type LogFilter, logFilterOf } from '../pools/log-filter.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'
import type { BlockRef } from './journal.ts'
import { inOrder } from './log-buffer.ts'

/** What is asked of each block; without addresses it lets logs of strangers through, which the state passes over. */
export type BlockFilter = Pick<LogFilter, 'topics'> & Partial<LogFilter>

/** More addresses than this are dearer to send with every block than the logs of strangers are to read. */
const MOST_ADDRESSES = 512

export function blockFilterOf(infos: readonly PoolInfo[]): BlockFilter {
  const filter = logFilterOf(infos)
  return filter.address.length > MOST_ADDRESSES ? { topics: filter.topics } : filter
}

/**
 * Every log of a block that the filter lets through, in order: by the block's hash, so it is that block or an error.
 * @throws FleetError `state_stale` (transient) when the node no longer has that block
 */
export async function provenLogs(rpc: Rpc, block: RpcBlock | BlockRef, filter: BlockFilter): Promise<RpcLog[]> {
  const logs = await rpc
    .request<RpcLog[]>('eth_getLogs', [{ blockHash: block.hash, ...filter }])
    .catch((cause: unknown) => {
      throw cause instanceof RpcError ? gone(block, cause) : cause
    })
  return inOrder(logs)
}

/**
 * A node that has pruned the logs of a block may answer with none instead of an error. The header says whether there may
 * have been any: true when none came and the header does not rule them out.
 */
export function mayBePruned(block: RpcBlock, logs: readonly RpcLog[], { topics }: BlockFilter): boolean {
  const { logsBloom } = block
  if (logs.length > 0 || logsBloom === undefined) return false
  return topics.flat().some((topic) => holds(logsBloom, topic))
}

const bits = new Map<Hex, readonly number[]>()

/** Whether the filter may hold a topic: three bits of 2048, named by the first three pairs of bytes of its hash. */
function holds(bloom: Hex, topic: Hex): boolean {
  let wanted = bits.get(topic)
  if (!wanted) {
    const hash = keccak256(topic)
    wanted = [2, 6, 10].map((at) => Number.parseInt(hash.slice(at, at + 4), 16) & 2047)
    bits.set(topic, wanted)
  }
  return wanted.every((bit) => (Number.parseInt(bloom.at(-1 - (bit >> 2)) ?? '0', 16) >> (bit & 3)) & 1)
}

export const gone = (block: RpcBlock | BlockRef, cause?: unknown): FleetError =>
  new FleetError('state_stale', `block ${Number(block.number)} (${block.hash}) is no longer on the chain`, {
    remedy: 'Nothing: the newest head is looked at next.',
    transient: true,
    cause,
  })
