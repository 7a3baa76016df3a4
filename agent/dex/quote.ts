import { unreachable } from '../../src/protocol/errors.ts'
import type { PoolState, V2Pool, V3Pool } from '../../src/protocol/trade.ts'
import { type Raw, raw } from '../../src/protocol/units.ts'
import { getAmountIn, getAmountOut, MILLION, poolEmpty } from './v2.ts'
import { swapV3 } from './v3/swap.ts'

export interface ExactIn {
  /** Raw units of the token that goes in, above 0. */
  amountIn: Raw
  /** True when token0 goes in. */
  zeroForOne: boolean
}

export interface ExactOut {
  /** Raw units of the token that comes out, above 0. */
  amountOut: Raw
  zeroForOne: boolean
}

export interface Quote {
  amountIn: Raw
  amountOut: Raw
  /** Part of amountIn that the pool keeps. */
  feeAmount: Raw
  /** The pool as it is after this swap. */
  after: PoolState
}

/**
 * What a swap of exactly `amountIn` pays, to the wei, at the state given.
 * @throws FleetError `pool_empty` when the pool cannot take all of it
 */
export function quoteExactIn(pool: PoolState, { amountIn, zeroForOne }: ExactIn): Quote {
  switch (pool.kind) {
    case 'v2':
      return v2Quote(pool, zeroForOne, amountIn, getAmountOut(amountIn, v2Reserves(pool, zeroForOne), pool.feePips))
    case 'v3':
      return v3Quote(pool, amountIn, true, zeroForOne)
    default:
      return unreachable(pool)
  }
}

/**
 * What a swap that pays exactly `amountOut` takes, to the wei, at the state given.
 * @throws FleetError `pool_empty` when the pool cannot pay that much
 */
export function quoteExactOut(pool: PoolState, { amountOut, zeroForOne }: ExactOut): Quote {
  switch (pool.kind) {
    case 'v2':
      return v2Quote(pool, zeroForOne, getAmountIn(amountOut, v2Reserves(pool, zeroForOne), pool.feePips), amountOut)
    case 'v3':
      return v3Quote(pool, amountOut, false, zeroForOne)
    default:
      return unreachable(pool)
  }
}

export const v2Reserves = (pool: V2Pool, zeroForOne: boolean) =>
  zeroForOne ? { in: pool.reserve0, out: pool.reserve1 } : { in: pool.reserve1, out: pool.reserve0 }

function v2Quote(pool: V2Pool, zeroForOne: boolean, amountIn: Raw, amountOut: Raw): Quote {
  const [in0, in1] = zeroForOne ? [amountIn, -amountOut] : [-amountOut, amountIn]
  const after = { ...pool, reserve0: raw(pool.reserve0 + in0), reserve1: raw(pool.reserve1 + in1) }
  const feeAmount = raw(amountIn - (amountIn * (MILLION - BigInt(pool.feePips))) / MILLION)
  return { amountIn, amountOut, feeAmount, after }
}

function v3Quote(pool: V3Pool, amount: Raw, exactIn: boolean, zeroForOne: boolean): Quote {
  const { amountIn, amountOut, feeAmount, remaining, after } = swapV3(pool, { amount, exactIn, zeroForOne })
  if (remaining > 0n) throw poolEmpty(`its liquidity ends with ${remaining} of ${amount} left`)
  return { amountIn, amountOut, feeAmount, after }
}
