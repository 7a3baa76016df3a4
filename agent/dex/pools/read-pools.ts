import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'
import type { BlockRef } from '../state/journal.ts'
import { blockFilterOf, provenLogs } from '../state/proof.ts'
import { loadTracked, type Progress } from './load.ts'
import { poolIdOf } from './log-filter.ts'
import { applyLog, type Tracked } from './logs.ts'

/**
 * Pools with their state at a block that may be the node's newest. It is read at the block before and brought on by the
 * block's logs: some nodes, anvil for one, answer a call at their newest block from the state of the next, when that is made
 * at the same moment, even though the call names the block by its hash. Only what is not there one block earlier is read
 * at the block itself.
 *
 * @throws FleetError `config_invalid` naming what is no pool; RpcError when the node has neither block
 */
export async function readPools(
  rpc: Rpc,
  infos: readonly PoolInfo[],
  block: BlockRef,
  onProgress?: Progress,
): Promise<Tracked[]> {
  if (infos.length === 0) return []
  try {
    const [before, logs] = await Promise.all([
      loadTracked(rpc, infos, block.parentHash, onProgress),
      provenLogs(rpc, block, blockFilterOf(infos)),
    ])
    const pools = new Map<Hex, Tracked>(before.map((tracked) => [tracked.pool.address, tracked]))
    for (const log of logs) {
      const tracked = pools.get(poolIdOf(log))
      if (tracked) pools.set(tracked.pool.address, applyLog(tracked, log))
    }
    return [...pools.values()]
  } catch (thrown) {
    const notYet = thrown instanceof RpcError || (thrown instanceof FleetError && thrown.code === 'config_invalid')
    if (!notYet) throw thrown
    return loadTracked(rpc, infos, block.hash, onProgress)
  }
}
