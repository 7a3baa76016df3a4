import { type SqrtPriceX96, sqrtPriceX96 } from '../../../../src/protocol/units.ts'

const Q96 = 96n
const TWO_256 = 1n << 256n

/** Division of non-negative integers, rounded up. */
export const ceilDiv = (numerator: bigint, denominator: bigint): bigint => (numerator + denominator - 1n) / denominator

/**
 * Amount of token0 between two prices at constant liquidity; both orders of the prices are the same.
 * Rounded in two steps, as the pool does.
 */
export function amount0Delta(a: bigint, b: bigint, liquidity: bigint, roundUp: boolean): bigint {
  const [low, high] = a < b ? [a, b] : [b, a]
  const product = (liquidity << Q96) * (high - low)
  return roundUp ? ceilDiv(ceilDiv(product, high), low) : product / high / low
}

/** Amount of token1 between two prices at constant liquidity; both orders of the prices are the same. */
export function amount1Delta(a: bigint, b: bigint, liquidity: bigint, roundUp: boolean): bigint {
  const product = liquidity * (a < b ? b - a : a - b)
  return roundUp ? ceilDiv(product, 1n << Q96) : product >> Q96
}

/** Price after `amount` of the input token (fee already taken), never further than the input pays for. Liquidity above 0. */
export function priceAfterInput(price: bigint, liquidity: bigint, amount: bigint, zeroForOne: boolean): SqrtPriceX96 {
  if (!zeroForOne) return sqrtPriceX96(price + (amount << Q96) / liquidity)
  if (amount === 0n) return sqrtPriceX96(price)
  const numerator = liquidity << Q96
  const product = amount * price
  // The pool takes the less exact way where the exact one would overflow its 256 bits.
  if (product < TWO_256 && numerator + product < TWO_256) {
    return sqrtPriceX96(ceilDiv(numerator * price, numerator + product))
  }
  return sqrtPriceX96(ceilDiv(numerator, numerator / price + amount))
}

/** Price after `amount` of the output token was paid, at least as far as the output needs. Liquidity above 0. */
export function priceAfterOutput(price: bigint, liquidity: bigint, amount: bigint, zeroForOne: boolean): SqrtPriceX96 {
  if (zeroForOne) return sqrtPriceX96(price - ceilDiv(amount << Q96, liquidity))
  if (amount === 0n) return sqrtPriceX96(price)
  const numerator = liquidity << Q96
  return sqrtPriceX96(ceilDiv(numerator * price, numerator - amount * price))
}
