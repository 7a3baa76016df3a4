import { FleetError } from '../../../../src/protocol/errors.ts'
import type { V3Pool, V4Pool } from '../../../../src/protocol/trade.ts'
import { type Pips, type Raw, raw, type SqrtPriceX96, sqrtPriceX96 } from '../../../../src/protocol/units.ts'
import { poolEmpty } from '../v2-math.ts'
import { swapStep } from './swap-step.ts'
import { MAX_SQRT_PRICE, MIN_SQRT_PRICE, sqrtPriceAtTick, tickAtSqrtPrice } from './tick-math.ts'
import { nextTick, type TickMap } from './ticks.ts'

/** A pool whose liquidity is concentrated between ticks. */
export type TickPool = V3Pool | V4Pool

export interface SwapInput {
  /** Given (exact in) or wanted (exact out), above 0. */
  amount: bigint
  exactIn: boolean
  zeroForOne: boolean
  /** The swap ends there with what it did so far; without: the end of the price range. */
  sqrtPriceLimitX96?: SqrtPriceX96 | undefined
}

/** Wherein the kinds differ. */
export interface SwapRules {
  /** Of the input, all that is taken. */
  feePips: Pips
  /** @see StepInput.sparedIsInput */
  sparedIsInput: boolean
}

export interface SwapResult<P extends TickPool> {
  /** Fee included. */
  amountIn: Raw
  amountOut: Raw
  feeAmount: Raw
  /** What was not swapped because the limit was reached. */
  remaining: Raw
  ticksCrossed: number
  after: P
}

const NO_TICKS: TickMap = {}

/** A swap on its way. */
interface Walk {
  price: SqrtPriceX96
  tick: number
  liquidity: bigint
  remaining: bigint
  amountIn: bigint
  amountOut: bigint
  feeAmount: bigint
  ticksCrossed: number
}

/**
 * What `swap` of a Uniswap V3 pool or a V4 PoolManager does, to the wei. A partial fill (`remaining` above 0) is a result,
 * as it is on chain.
 *
 * @throws FleetError `malformed` for an amount that is not above 0 or a limit on the wrong side, as the pool reverts;
 *   `pool_empty` when no limit is given and the price is at the end of its range, or the pool was never initialised
 */
export function swapTicks<P extends TickPool>(pool: P, input: SwapInput, rules: SwapRules): SwapResult<P> {
  const limit = checkedLimit(pool, input)
  const walk: Walk = {
    price: pool.sqrtPriceX96,
    tick: pool.tick,
    liquidity: pool.liquidity,
    remaining: input.amount,
    amountIn: 0n,
    amountOut: 0n,
    feeAmount: 0n,
    ticksCrossed: 0,
  }
  while (walk.remaining !== 0n && walk.price !== limit) advance(walk, pool, input, rules, limit)
  return {
    amountIn: raw(walk.amountIn),
    amountOut: raw(walk.amountOut),
    feeAmount: raw(walk.feeAmount),
    remaining: raw(walk.remaining),
    ticksCrossed: walk.ticksCrossed,
    after: { ...pool, sqrtPriceX96: walk.price, tick: walk.tick, liquidity: walk.liquidity },
  }
}

/** One step: to the next tick, the end of the word, the limit, or as far as the amount lasts. */
function advance(walk: Walk, pool: TickPool, input: SwapInput, rules: SwapRules, limit: SqrtPriceX96): void {
  const { exactIn, zeroForOne } = input
  const ticks = pool.ticks ?? NO_TICKS
  const next = nextTick(ticks, walk.tick, pool.tickSpacing, zeroForOne)
  const nextPrice = sqrtPriceAtTick(next.tick)
  const target = (zeroForOne ? nextPrice < limit : nextPrice > limit) ? limit : nextPrice
  const { price, liquidity, remaining } = walk
  const { feePips, sparedIsInput } = rules
  const step = swapStep({ price, target, liquidity, remaining, exactIn, zeroForOne, feePips, sparedIsInput })
  walk.price = step.price
  walk.feeAmount += step.feeAmount
  walk.amountIn += step.amountIn + step.feeAmount
  walk.amountOut += step.amountOut
  walk.remaining -= exactIn ? step.amountIn + step.feeAmount : step.amountOut
  if (step.price === nextPrice) {
    const net = next.initialised ? (ticks[next.tick] as bigint) : 0n
    walk.liquidity += zeroForOne ? -net : net
    walk.ticksCrossed += next.initialised ? 1 : 0
    walk.tick = zeroForOne ? next.tick - 1 : next.tick
  } else if (step.price !== price) {
    walk.tick = tickAtSqrtPrice(step.price)
  }
}

function checkedLimit(pool: TickPool, { amount, zeroForOne, sqrtPriceLimitX96 }: SwapInput): SqrtPriceX96 {
  const limit = sqrtPriceLimitX96 ?? sqrtPriceX96(zeroForOne ? MIN_SQRT_PRICE + 1n : MAX_SQRT_PRICE - 1n)
  const ahead = zeroForOne
    ? limit < pool.sqrtPriceX96 && limit > MIN_SQRT_PRICE
    : limit > pool.sqrtPriceX96 && limit < MAX_SQRT_PRICE
  if (amount > 0n && ahead && pool.sqrtPriceX96 > 0n) return limit
  if (amount > 0n && sqrtPriceLimitX96 === undefined) throw poolEmpty('its price is at the end of its range')
  const why = ahead ? 'the amount is not above 0' : 'its price is at or past the limit'
  throw new FleetError('malformed', `pool ${pool.address} would revert: ${why}`, {
    remedy: 'Give an amount above 0 and a price limit on the side the price moves to.',
  })
}
