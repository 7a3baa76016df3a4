import type { PoolState, V3Pool, V4Pool } from '../../../src/protocol/trade.ts'

/**
 * Whether a swap's log contradicts what was known of the pool: a swap that crosses ticks changes the liquidity by just
 * what those ticks hold. True is proof that one of the two is wrong, most likely a log that was missed.
 */
export function contradicts(before: PoolState, after: PoolState): boolean {
  if (before.kind === 'v2' || after.kind === 'v2') return false
  const swapped = before.ticks === after.ticks && after.ticks !== undefined
  return swapped && before.liquidity + crossed(before, after.tick) !== after.liquidity
}

/** What the liquidity gains on the way from the pool's tick to `to`. */
function crossed(pool: V3Pool | V4Pool, to: number): bigint {
  const [low, high] = pool.tick < to ? [pool.tick, to] : [to, pool.tick]
  let sum = 0n
  for (const tick of initialisedWithin(pool, low, high)) sum += pool.ticks?.[tick] ?? 0n
  return pool.tick < to ? sum : -sum
}

/** Ticks above `low` and up to `high`: step by step where that is the shorter way. */
function initialisedWithin({ ticks = {}, tickSpacing }: V3Pool | V4Pool, low: number, high: number): number[] {
  const first = (Math.floor(low / tickSpacing) + 1) * tickSpacing
  const steps = Math.floor((high - first) / tickSpacing) + 1
  if (steps < 1_000) return Array.from({ length: Math.max(0, steps) }, (_, at) => first + at * tickSpacing)
  return Object.keys(ticks)
    .map(Number)
    .filter((tick) => low < tick && tick <= high)
}
