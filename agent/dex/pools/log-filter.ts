import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { PoolId } from '../../../src/protocol/trade.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import type { RpcLog } from '../chain-types.ts'
import type { PoolKindModule } from './kind.ts'
import { contractOf, poolKind, poolKinds } from './table.ts'

/** What eth_getLogs and eth_subscribe take. */
export interface LogFilter {
  address: readonly Address[]
  topics: readonly (readonly Hex[])[]
}

const kindOfTopic = new Map<string, PoolKindModule>(
  poolKinds.flatMap((kind) => kind.topics.map((topic) => [topic, kind] as const)),
)

/** Whose log it is, by what it says itself: whether that pool's contract wrote it is for `applyLog` to see. */
export function poolIdOf(log: RpcLog): PoolId {
  return kindOfTopic.get(log.topics[0] ?? '')?.poolIdOf(log) ?? log.address
}

/** All logs that change one of the pools; of a V4 manager those of all its pools, for one filter cannot tell them apart. */
export function logFilterOf(pools: readonly PoolInfo[]): LogFilter {
  const kinds = new Set(pools.map(({ kind }) => kind))
  return {
    address: [...new Set(pools.map(contractOf))],
    topics: [Array.from(kinds, (kind) => poolKind(kind).topics).flat()],
  }
}
