import { type Raw, raw, sqrtPriceX96 } from '../../../src/protocol/units.ts'
import { type Curve, concentrated, type Range } from '../search/curve.ts'
import type { ExactIn, ExactOut, Quote, Tracked } from './kind.ts'
import { poolEmpty } from './v2-math.ts'
import type { SwapInput, SwapResult, TickPool } from './v3-math/swap.ts'
import { MAX_SQRT_PRICE, MIN_SQRT_PRICE, sqrtPriceAtTick, tickAtSqrtPrice } from './v3-math/tick-math.ts'
import { sortedTicks, ticksUpTo } from './v3-math/ticks.ts'

// What the kinds of concentrated liquidity have in common, besides the swap itself (v3-math).

type Swap<P extends TickPool> = (pool: P, input: SwapInput) => SwapResult<P>

/** @throws FleetError `pool_empty` where the end of the price range, not a limit that was asked for, left something over */
export function quoteTicks<P extends TickPool>(
  pool: P,
  { zeroForOne, sqrtPriceLimitX96: limit }: Pick<ExactIn, 'zeroForOne' | 'sqrtPriceLimitX96'>,
  { amount, exactIn }: { amount: Raw; exactIn: boolean },
  swap: Swap<P>,
): Quote<P> {
  const result = swap(pool, { amount, exactIn, zeroForOne, sqrtPriceLimitX96: limit })
  const { amountIn, amountOut, feeAmount, remaining, after } = result
  if (remaining > 0n && limit === undefined) throw poolEmpty(`its liquidity ends with ${remaining} of ${amount} left`)
  return { amountIn, amountOut, feeAmount, remaining, after }
}

/**
 * The least input that still buys an output. Below what exact out takes by what the rounding of the price costs: 0 or 1
 * unit, and more only where the liquidity is so deep that a step of the price pays many units.
 */
export function leastInput<P extends TickPool>(
  pool: P,
  { amountOut, zeroForOne }: Pick<ExactOut, 'amountOut' | 'zeroForOne'>,
  swap: Swap<P>,
): Raw {
  const buys = (amount: bigint): boolean =>
    amount > 0n && swap(pool, { amount, exactIn: true, zeroForOne }).amountOut >= amountOut
  let [high, step] = [
    quoteTicks(pool, { zeroForOne }, { amount: amountOut, exactIn: false }, swap).amountIn as bigint,
    1n,
  ]
  while (buys(high - step)) {
    high -= step
    step *= 2n
  }
  let low = high > step ? high - step : 0n
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (buys(middle)) high = middle
    else low = middle
  }
  return raw(high)
}

const Q96 = 2 ** 96

export function tickCurve(pool: TickPool, zeroForOne: boolean, feePips: number): Curve {
  const price = Number(pool.sqrtPriceX96) / Q96
  return concentrated(price, zeroForOne, 1 - feePips / 1e6, price > 0 ? ranges(pool, zeroForOne) : [].values())
}

/** From the current price on, to the last initialised tick; without ticks one range that never ends. */
function* ranges({ ticks, tick, liquidity }: TickPool, zeroForOne: boolean): Generator<Range, undefined> {
  let left: bigint = liquidity
  const order = ticks ? sortedTicks(ticks) : []
  if (order.length === 0) yield { edge: undefined, liquidity: Number(left) }
  // Going down, the tick that the price stands on is one to cross; going up it is not.
  const first = ticksUpTo(order, tick) - (zeroForOne ? 1 : 0)
  for (let at = first; at >= 0 && at < order.length; at += zeroForOne ? -1 : 1) {
    const edge = order[at] as number
    yield { edge: Number(sqrtPriceAtTick(edge)) / Q96, liquidity: Number(left) }
    const net = ticks?.[edge] ?? 0n
    left += zeroForOne ? -net : net
  }
}

/** A position between two ticks grew by `amount` (negative: shrank; 0 changes nothing). */
export function afterLiquidity<P extends TickPool>(
  tracked: Tracked<P>,
  [lower, upper]: readonly [number, number],
  amount: bigint,
): Tracked<P> {
  if (amount === 0n) return tracked
  const { pool } = tracked
  const gross = { ...tracked.gross }
  const ticks = { ...pool.ticks }
  for (const [tick, net] of [[lower, amount] as const, [upper, -amount] as const]) {
    const references = (gross[tick] ?? 0n) + amount
    if (references === 0n) {
      delete gross[tick]
      delete ticks[tick]
    } else {
      gross[tick] = references
      ticks[tick] = (ticks[tick] ?? 0n) + net
    }
  }
  const active = lower <= pool.tick && pool.tick < upper
  return { pool: { ...pool, ticks, liquidity: pool.liquidity + (active ? amount : 0n) }, gross }
}

const BITS_160 = (1n << 160n) - 1n
const BITS_24 = (1n << 24n) - 1n

/** A word with sqrtPriceX96 in its lowest 160 bits and the tick in the 24 above, with that price moved. */
export function movedSlot0(packed: bigint, zeroForOne: boolean, bps: number): bigint {
  const price = packed & BITS_160
  const root = BigInt(Math.round(Math.sqrt(1 - bps / 10_000) * 1e12))
  const wanted = zeroForOne ? (price * root) / 10n ** 12n : (price * 10n ** 12n) / root
  const low = MIN_SQRT_PRICE + 1n
  const high = MAX_SQRT_PRICE - 1n
  const next = wanted < low ? low : wanted > high ? high : wanted
  const tick = BigInt(tickAtSqrtPrice(sqrtPriceX96(next)))
  return (packed & ~(BITS_160 | (BITS_24 << 160n))) | next | ((tick & BITS_24) << 160n)
}
