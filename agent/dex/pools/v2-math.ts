import { FleetError } from '../../../src/protocol/errors.ts'
import type { V2Pool } from '../../../src/protocol/trade.ts'
import { type Pips, type Raw, raw } from '../../../src/protocol/units.ts'

export const MILLION = 1_000_000n
/** A pair keeps its reserves in 112 bits and reverts above. */
const MAX_RESERVE = (1n << 112n) - 1n

export interface Reserves {
  in: Raw
  out: Raw
}

export const v2Reserves = (pool: V2Pool, zeroForOne: boolean): Reserves =>
  zeroForOne ? { in: pool.reserve0, out: pool.reserve1 } : { in: pool.reserve1, out: pool.reserve0 }

/**
 * Output of an exact-input swap in a constant-product (Uniswap V2) pair.
 *
 * @param amountIn raw units of the input token, above 0
 * @param reserves raw units of both tokens, read at one block
 * @param feePips 3000 is the 0.3 % (997/1000) of Uniswap and Sushi
 * @returns raw units of the output token, rounded down as the pair rounds; 0 where the pair would revert for want of output
 * @throws FleetError `pool_empty` when a reserve is 0 or the input would overflow the pair
 */
export function getAmountOut(amountIn: Raw, reserves: Reserves, feePips: Pips): Raw {
  requireReserves(reserves)
  if (reserves.in + amountIn > MAX_RESERVE) throw poolEmpty('the pair cannot hold that much of the input token')
  const inAfterFee = amountIn * (MILLION - BigInt(feePips))
  return raw((inAfterFee * reserves.out) / (reserves.in * MILLION + inAfterFee))
}

/**
 * Smallest input that buys an exact output from a constant-product pair, as the Uniswap V2 library rounds it
 * (down, plus one: at most one unit above the true minimum).
 *
 * @throws FleetError `pool_empty` when the pair holds no more than `amountOut`, or the input would overflow the pair
 */
export function getAmountIn(amountOut: Raw, reserves: Reserves, feePips: Pips): Raw {
  requireReserves(reserves)
  if (amountOut >= reserves.out)
    throw poolEmpty(`the pair holds ${reserves.out}, not more than the ${amountOut} wanted`)
  const numerator = reserves.in * amountOut * MILLION
  const amountIn = numerator / ((reserves.out - amountOut) * (MILLION - BigInt(feePips))) + 1n
  if (reserves.in + amountIn > MAX_RESERVE) throw poolEmpty('the pair cannot hold that much of the input token')
  return raw(amountIn)
}

/**
 * Smallest input for which the pair lets `amountOut` go: one less than `getAmountIn` where that division leaves no rest.
 *
 * @throws FleetError `pool_empty` as `getAmountIn` does
 */
export function leastAmountIn(amountOut: Raw, reserves: Reserves, feePips: Pips): Raw {
  const usual = getAmountIn(amountOut, reserves, feePips)
  const paid = (usual - 1n) * (MILLION - BigInt(feePips)) * (reserves.out - amountOut)
  return usual > 1n && paid >= reserves.in * amountOut * MILLION ? raw(usual - 1n) : usual
}

function requireReserves(reserves: Reserves): void {
  if (reserves.in <= 0n || reserves.out <= 0n) throw poolEmpty('a reserve is 0')
}

/** @param why what the pool lacks */
export function poolEmpty(why: string): FleetError {
  return new FleetError('pool_empty', `the pool cannot serve this swap: ${why}`, {
    remedy: 'Take a smaller amount or another pool.',
  })
}
