import type { V2Pool } from '../../../src/protocol/trade.ts'

// What the search is measured against: the same cycles, pool by pool, in whole numbers alone. Nothing of the product is in it.

export interface Leg {
  pool: V2Pool
  zeroForOne: boolean
}

/** What 997/1000 of the input buys, as a pair's contract rounds it. */
export function amountOut({ pool, zeroForOne }: Leg, amountIn: bigint): bigint {
  const [reserveIn, reserveOut] = zeroForOne ? [pool.reserve0, pool.reserve1] : [pool.reserve1, pool.reserve0]
  const given = amountIn * (1_000_000n - BigInt(pool.feePips))
  return (given * reserveOut) / (reserveIn * 1_000_000n + given)
}

/** Profit of the best size by the closed form, in whole numbers; 0 where there is none. */
export function bestProfit(legs: readonly Leg[]): bigint {
  let [k, m, n] = [1n, 1n, 0n]
  for (const { pool, zeroForOne } of legs) {
    const [reserveIn, reserveOut] = zeroForOne ? [pool.reserve0, pool.reserve1] : [pool.reserve1, pool.reserve0]
    const gamma = 1_000_000n - BigInt(pool.feePips)
    n = n * reserveIn * 1_000_000n + k * gamma
    m *= reserveIn * 1_000_000n
    k *= gamma * reserveOut
  }
  if (k <= m) return 0n
  const size = (root(k * m) - m) / n
  if (size <= 0n) return 0n
  const profit = legs.reduce((amount, leg) => amountOut(leg, amount), size) - size
  return profit > 0n ? profit : 0n
}

function root(value: bigint): bigint {
  let guess = 1n << BigInt((value.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (guess + value / guess) >> 1n
    if (next >= guess) return guess
    guess = next
  }
}
