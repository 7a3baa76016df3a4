import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import type { ChainInfo } from '../../src/protocol/chain.ts'
import { leases } from '../../src/protocol/keys.ts'
import type { Opportunity } from '../../src/protocol/trade.ts'
import type { Hex } from '../../src/protocol/units.ts'

type Route = Pick<Opportunity, 'chainInstance' | 'hops' | 'lender'>

/** What a trade changes or needs unlocked: the pools that it swaps in, and a pair or pool that lends. */
function poolsOf({ hops, lender }: Route): Hex[] {
  const lends = lender.kind === 'uniswap_v2' || lender.kind === 'uniswap_v3' ? [lender.address] : []
  return [...new Set<Hex>([...hops.map((hop) => hop.pool), ...lends])].sort()
}

/**
 * Locks a route's pools in the name of its opportunity, in the order of their ids, so that two plans never wait for each other.
 * Whoever works on that opportunity takes the same locks again.
 * @returns the first pool that another plan holds; then none taken here is kept
 */
export async function lockPools(
  memory: SharedMemory,
  opportunityId: Hex,
  route: Route,
  ttlMs: number,
): Promise<Hex | undefined> {
  const taken: { release(): Promise<void> }[] = []
  for (const pool of poolsOf(route)) {
    const lease = await memory.lease(leases.pool(route.chainInstance, pool), opportunityId, ttlMs)
    if (!lease) {
      for (const held of taken) await held.release()
      return pool
    }
    taken.push(lease)
  }
  return undefined
}

/** Gives up the locks of an opportunity that has ended; those that another plan holds by now stay. */
export async function unlockPools(memory: SharedMemory, opportunityId: Hex, route: Route): Promise<void> {
  for (const pool of poolsOf(route)) {
    const lease = await memory.lease(leases.pool(route.chainInstance, pool), opportunityId, 1_000)
    await lease?.release()
  }
}

/** Longer than any block of the sandbox (2 s) and of the chains that arbdeck knows (12 s): time for blocks to pass, at most. */
export const blocksMs = (chain: Pick<ChainInfo, 'sandbox'>, blocks: number): number =>
  Math.max(1, blocks) * (chain.sandbox ? 3_000 : 15_000)
