import type { PoolInfo } from '../../src/protocol/chain.ts'
import type { Hop } from '../../src/protocol/trade.ts'
import type { Address } from '../../src/protocol/units.ts'

/** A hop without its amounts. Every `Hop` is one. */
export type RouteHop = Omit<Hop, 'amountIn' | 'amountOut'>
/** From the base token back to it, through pools that are all different. */
export type Cycle = readonly RouteHop[]

/**
 * Every cycle of 2 to `maxHops` hops through the base token, in both directions, with no pool and no token but the
 * base twice.
 */
export function findCycles(pools: readonly PoolInfo[], base: Address, maxHops = 3): Cycle[] {
  const from = hopsByToken(pools)
  const found: Cycle[] = []
  const extend = (path: readonly RouteHop[], token: Address): void => {
    for (const hop of from.get(token) ?? []) {
      if (path.some((earlier) => earlier.pool === hop.pool)) continue
      if (hop.tokenOut === base) found.push([...path, hop])
      else if (path.length + 1 < maxHops && isNew(path, hop.tokenOut)) extend([...path, hop], hop.tokenOut)
    }
  }
  extend([], base)
  return found
}

const isNew = (path: readonly RouteHop[], token: Address): boolean => !path.some((hop) => hop.tokenIn === token)

function hopsByToken(pools: readonly PoolInfo[]): Map<Address, RouteHop[]> {
  const from = new Map<Address, RouteHop[]>()
  const add = (hop: RouteHop): void => {
    const known = from.get(hop.tokenIn)
    if (known) known.push(hop)
    else from.set(hop.tokenIn, [hop])
  }
  for (const { address: pool, kind, dex, feePips, token0, token1 } of pools) {
    add({ pool, kind, dex, feePips, tokenIn: token0, tokenOut: token1, zeroForOne: true })
    add({ pool, kind, dex, feePips, tokenIn: token1, tokenOut: token0, zeroForOne: false })
  }
  return from
}
