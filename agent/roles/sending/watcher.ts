import type { Lease } from '../../../src/ports/memory/memory.ts'
import { leases } from '../../../src/protocol/keys.ts'
import type { RoleContext } from '../../role.ts'
import { everyHead } from './every-head.ts'
import { watchAll } from './finality.ts'
import { submitterOf } from './submitter.ts'

const LEASE_MS = 10_000

/** One executor of the fleet watches for all, those that are gone included: whoever holds the lease. */
export function startWatcher(context: RoleContext): () => Promise<void> {
  const owner = `${context.id}/${crypto.randomUUID()}`
  let lease: Lease | undefined
  const held = async (chainId: number): Promise<boolean> => {
    if (lease && (await lease.renew(LEASE_MS))) return true
    lease = await context.memory.lease(leases.watcher(chainId), owner, LEASE_MS)
    return lease !== undefined
  }
  const stop = everyHead('watching executions', context, async (rpc, chain, signal) => {
    if (!(await held(chain.chainId))) return
    const { memory } = context
    await watchAll({ rpc, chain, memory, signal, submitter: await submitterOf(context, chain, rpc) })
  })
  return async () => {
    await stop()
    await lease?.release()
  }
}
