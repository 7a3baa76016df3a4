import type { NetworkReach } from '../ports/engine/provision.ts'
import type { RoleName, Wanted } from '../protocol/fleet.ts'

/** Everybody's. */
export const NETWORK = 'mcpnet'
/** Of the node and those who ask it: whoever is not on it cannot reach the practice chain, nor a node outside. */
export const CHAIN_NETWORK = 'chain'
/** Of those whose ports are published: a container on closed networks alone cannot publish. */
export const EDGE_NETWORK = 'edge'

/** Our roles that read the chain. A role that runs another's image is not one of them. */
const CHAIN_ROLES: readonly RoleName[] = ['code_indexer', 'test_writer', 'executor', 'fixer', 'reviewer']

/** The fleet's networks, and where each leads: a node that is not the practice chain is outside. */
export function fleetNetworks({ chain }: Pick<Wanted, 'chain'>): { name: string; reach: NetworkReach }[] {
  return [
    { name: NETWORK, reach: 'closed' },
    { name: CHAIN_NETWORK, reach: chain === 'sandbox' ? 'closed' : 'open' },
    { name: EDGE_NETWORK, reach: 'published' },
  ]
}

export const readsChain = (role: RoleName): boolean => CHAIN_ROLES.includes(role)

/** Of a unit that asks the node. */
export const chainNetworks = ({ chain }: Pick<Wanted, 'chain'>) => ({
  networks: [NETWORK, CHAIN_NETWORK],
  ...(chain === 'sandbox' ? {} : { reachesOut: true }),
})
