import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { PoolKind, PoolState } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { Rpc } from '../rpc.ts'
import type { Tracked } from './kind.ts'
import { poolKind } from './table.ts'

/** How far a load is: pools whose state is there, and pools in all. Called with 0 first. */
export type Progress = (loaded: number, total: number) => void

/**
 * Reads the state of pools at one block: a call for every thousand pairs, a few calls for each pool that has ticks.
 * @param blockHash pins every call; a node that has pruned or dropped that block answers with an RpcError
 * @throws FleetError `config_invalid` for a pool that is not there
 */
export async function loadPools(
  rpc: Rpc,
  pools: readonly PoolInfo[],
  blockHash: Hex,
  progress?: Progress,
): Promise<PoolState[]> {
  return (await loadTracked(rpc, pools, blockHash, progress)).map((tracked) => tracked.pool)
}

/** `loadPools` with the gross liquidity of every tick, so that logs can be applied on top. In the order of `pools`. */
export async function loadTracked(
  rpc: Rpc,
  pools: readonly PoolInfo[],
  blockHash: Hex,
  progress: Progress = () => {},
): Promise<Tracked[]> {
  const byKind = new Map<PoolKind, number[]>()
  for (const [at, { kind }] of pools.entries()) {
    const places = byKind.get(kind)
    if (places) places.push(at)
    else byKind.set(kind, [at])
  }
  let there = 0
  const loaded = (count: number): void => {
    there += count
    progress(there, pools.length)
  }
  loaded(0)
  const tracked: Tracked[] = new Array(pools.length)
  await Promise.all(
    Array.from(byKind, async ([kind, places]) => {
      const infos = places.map((at) => pools[at] as PoolInfo)
      const states = await poolKind(kind).load({ rpc, blockHash }, infos, loaded)
      for (const [index, at] of places.entries()) tracked[at] = states[index] as Tracked
    }),
  )
  return tracked
}
