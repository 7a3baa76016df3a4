import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Rpc } from '../../dex/rpc.ts'
import { privateRpc, publicMempool, type Submitter } from '../../dex/trade/submit.ts'
import type { RoleContext } from '../../role.ts'

const known = new WeakMap<Rpc, Submitter>()

/**
 * The way to the block builders that the chain's description asks for.
 * @throws FleetError `config_invalid` when it is to be private and no private RPC was given: the public pool never takes its place
 */
export async function submitterOf(context: RoleContext, { submit }: ChainInfo, rpc: Rpc): Promise<Submitter> {
  if (submit === 'public') return publicMempool(rpc)
  const own = await context.submitRpc?.()
  if (!own) throw noUrl()
  const submitter = known.get(own) ?? privateRpc(own)
  known.set(own, submitter)
  return submitter
}

const noUrl = (): FleetError =>
  new FleetError('config_invalid', 'transactions go to a private RPC on this chain, and this executor was given none', {
    remedy: 'Give its URL as the secret submit-url, or set submit: public in the chain profile.',
  })
