import type { DeployedToken } from './deploy-pools.ts'

const Q96 = 1n << 96n

interface Position {
  lower: number
  upper: number
  liquidity: bigint
}

/** How far positions reach to each side of the price, in ticks of 0.01 %, and their share of the liquidity in percent. */
const REACHES: readonly (readonly [number, bigint])[] = [
  [150, 25n],
  [600, 35n],
  [4_000, 40n],
]

/**
 * Three positions around a price: ±1.5 %, ±6 % and ±49 %, so that trades cross ticks and never leave the range.
 * @param depth0 raw units of token0; with token1 of the same value at the price, the depth near it
 */
export function positionsAround(sqrtPriceX96: bigint, tickSpacing: number, depth0: bigint): Position[] {
  const liquidity = (depth0 * sqrtPriceX96) / Q96
  const tick = Math.round((2 * Math.log(Number(sqrtPriceX96) / 2 ** 96)) / Math.log(1.0001))
  const round = (to: number) => Math.round(to / tickSpacing) * tickSpacing
  return REACHES.map(([reach, percent]) => ({
    lower: round(tick - reach),
    upper: round(tick + reach),
    liquidity: (liquidity * percent) / 100n,
  }))
}

/** Raw units worth so many dollars. */
export function rawOf(token: DeployedToken, dollars: number): bigint {
  return (BigInt(dollars) * 10n ** BigInt(token.decimals)) / BigInt(token.dollars)
}

/** Square root of token1 per token0 in raw units at their dollar prices, Q64.96. */
export function sqrtPriceOf([token0, token1]: readonly [DeployedToken, DeployedToken]): bigint {
  const raw1 = BigInt(token0.dollars) * 10n ** BigInt(token1.decimals)
  const raw0 = BigInt(token1.dollars) * 10n ** BigInt(token0.decimals)
  return integerSqrt((raw1 << 192n) / raw0)
}

/** Rounded down. */
function integerSqrt(value: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(value.toString(2).length / 2))
  for (;;) {
    const next = (root + value / root) / 2n
    if (next >= root) return root
    root = next
  }
}
