import type { PoolState } from '../../../src/protocol/trade.ts'
import type { Raw } from '../../../src/protocol/units.ts'
import type { ExactIn, ExactOut, Quote } from './kind.ts'
import { poolKind } from './table.ts'

export type { ExactIn, ExactOut, Quote } from './kind.ts'

/**
 * What a swap of exactly `amountIn` pays, to the wei, at the state given. With a price limit a partial fill is a result.
 * @throws FleetError `pool_empty` when the pool cannot take all of it
 */
export const quoteExactIn = (pool: PoolState, swap: ExactIn): Quote => poolKind(pool.kind).quoteExactIn(pool, swap)

/**
 * What a swap that pays exactly `amountOut` takes, to the wei, at the state given.
 * @throws FleetError `pool_empty` when the pool cannot pay that much
 */
export const quoteExactOut = (pool: PoolState, swap: ExactOut): Quote => poolKind(pool.kind).quoteExactOut(pool, swap)

/** The least input for which the pool pays `amountOut` or more: at most what `quoteExactOut` takes. */
export const leastAmountIn = (pool: PoolState, swap: Pick<ExactOut, 'amountOut' | 'zeroForOne'>): Raw =>
  poolKind(pool.kind).leastAmountIn(pool, swap)
