import type { Opportunity, PoolId, PoolState } from '../../../src/protocol/trade.ts'
import { sqrtPriceAtTick } from '../../dex/pools/v3-math/tick-math.ts'
import { sortedTicks, type TickMap } from '../../dex/pools/v3-math/ticks.ts'

/** What a pool holds for swaps, raw units of token0 and token1; of a pool with ticks what its positions hold now. */
export type Sides = readonly [bigint, bigint]

const Q96 = 1n << 96n

export function sidesOf(pool: PoolState): Sides {
  if (pool.kind === 'v2') return [pool.reserve0, pool.reserve1]
  const ticks: TickMap = pool.ticks ?? {}
  let [held0, held1, liquidity] = [0n, 0n, 0n]
  const order = sortedTicks(ticks)
  for (const [at, tick] of order.entries()) {
    const next = order[at + 1]
    liquidity += ticks[tick] ?? 0n
    if (next === undefined || liquidity <= 0n) continue
    const [low, high] = [sqrtPriceAtTick(tick) as bigint, sqrtPriceAtTick(next) as bigint]
    const price = clamp(pool.sqrtPriceX96, low, high)
    held1 += (liquidity * (price - low)) / Q96
    held0 += (((liquidity << 96n) * (high - price)) / high / price) as bigint
  }
  return [held0, held1]
}

const clamp = (value: bigint, low: bigint, high: bigint): bigint => (value < low ? low : value > high ? high : value)

/**
 * The worth of both sides of each pool on a route, in native units. What a hop sells and what it buys are worth about
 * the loan, which gives every token's rate: good to the few percent that a cycle earns.
 */
export function depthsOf(
  { hops, sizeRaw, profitRaw, profitWei }: Pick<Opportunity, 'hops' | 'sizeRaw' | 'profitRaw' | 'profitWei'>,
  sides: ReadonlyMap<PoolId, Sides>,
): { pool: PoolId; worthWei: bigint }[] {
  const loanWei = profitRaw > 0n ? (sizeRaw * profitWei) / profitRaw : 0n
  const worth = (held: bigint, amount: bigint): bigint => (amount > 0n ? (held * loanWei) / amount : 0n)
  return hops.flatMap(({ pool, zeroForOne, amountIn, amountOut }) => {
    const held = sides.get(pool)
    if (!held) return []
    const [sold, bought] = zeroForOne ? held : [held[1], held[0]]
    return [
      { pool, worthWei: worth(sold, amountIn) },
      { pool, worthWei: worth(bought, amountOut) },
    ]
  })
}
