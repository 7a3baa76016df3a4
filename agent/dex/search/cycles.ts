import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { Hop } from '../../../src/protocol/trade.ts'
import type { Address } from '../../../src/protocol/units.ts'
import { type CycleIndex, cycleCount, indexCycles } from './cycle-index.ts'

/** A hop without its amounts. Every `Hop` is one. */
export type RouteHop = Omit<Hop, 'amountIn' | 'amountOut'>
/** From the base token back to it, through pools that are all different. */
export type Cycle = readonly RouteHop[]

/** The hops of one cycle of an index. */
export function cycleAt(index: CycleIndex, cycle: number): Cycle {
  const hops: RouteHop[] = []
  for (let at = index.offsets[cycle] as number; at < (index.offsets[cycle + 1] as number); at++) {
    const edge = index.edges[at] as number
    hops.push(routeHop(index.pools[edge >> 1] as PoolInfo, (edge & 1) === 0))
  }
  return hops
}

/** Every cycle of 2 to `maxHops` hops through the base token, in both directions, as objects: for small markets. */
export function findCycles(pools: readonly PoolInfo[], base: Address, maxHops = 3): Cycle[] {
  const index = indexCycles({ pools, bases: [base], maxHops })
  return Array.from({ length: cycleCount(index) }, (_, cycle) => cycleAt(index, cycle))
}

export function routeHop(pool: PoolInfo, zeroForOne: boolean): RouteHop {
  const { address, kind, dex, feePips, token0, token1, manager, tickSpacing } = pool
  const [tokenIn, tokenOut] = zeroForOne ? [token0, token1] : [token1, token0]
  const key =
    kind === 'v4' && manager !== undefined && tickSpacing !== undefined ? { v4: { manager, tickSpacing } } : {}
  return { pool: address, kind, dex, feePips, tokenIn, tokenOut, zeroForOne, ...key }
}
