import type { Pips, SqrtPriceX96 } from '../../../../src/protocol/units.ts'
import { amount0Delta, amount1Delta, ceilDiv, priceAfterInput, priceAfterOutput } from './sqrt-price-math.ts'

const MILLION = 1_000_000n

export interface StepInput {
  price: SqrtPriceX96
  /** Where the step must end: the next tick or the swap's limit. */
  target: SqrtPriceX96
  liquidity: bigint
  /** What is left of the amount given (exact in) or wanted (exact out). Above 0. */
  remaining: bigint
  exactIn: boolean
  zeroForOne: boolean
  /** Up to 1,000,000 for exact in, less for exact out. */
  feePips: Pips
  /** V4: short of the target, what rounding spares counts as input; else (V3) it counts as fee. Their sum is the same. */
  sparedIsInput: boolean
}

export interface Step {
  price: SqrtPriceX96
  /** Without the fee. */
  amountIn: bigint
  amountOut: bigint
  feeAmount: bigint
}

/** One step of a swap: liquidity does not change within it. */
export function swapStep(step: StepInput): Step {
  return step.exactIn ? stepExactIn(step) : stepExactOut(step)
}

function stepExactIn({ price, target, liquidity, remaining, zeroForOne, feePips, sparedIsInput }: StepInput): Step {
  const fee = BigInt(feePips)
  const afterFee = (remaining * (MILLION - fee)) / MILLION
  const needed = deltaIn(price, target, liquidity, zeroForOne)
  if (afterFee >= needed) {
    const amountOut = deltaOut(price, target, liquidity, zeroForOne)
    return { price: target, amountIn: needed, amountOut, feeAmount: feeOn(needed, fee) }
  }
  const reached = priceAfterInput(price, liquidity, afterFee, zeroForOne)
  const amountIn = sparedIsInput ? afterFee : deltaIn(price, reached, liquidity, zeroForOne)
  const amountOut = deltaOut(price, reached, liquidity, zeroForOne)
  // Short of the target everything that is left is taken.
  return { price: reached, amountIn, amountOut, feeAmount: remaining - amountIn }
}

function stepExactOut({ price, target, liquidity, remaining, zeroForOne, feePips }: StepInput): Step {
  const available = deltaOut(price, target, liquidity, zeroForOne)
  const all = remaining >= available
  const reached = all ? target : priceAfterOutput(price, liquidity, remaining, zeroForOne)
  const amountIn = deltaIn(price, reached, liquidity, zeroForOne)
  // Short of the target the price moves at least as far as the output needs: what that pays is capped at what was wanted.
  return {
    price: reached,
    amountIn,
    amountOut: all ? available : remaining,
    feeAmount: feeOn(amountIn, BigInt(feePips)),
  }
}

/** A fee of everything leaves no input to take it of. */
const feeOn = (amountIn: bigint, fee: bigint): bigint => (amountIn === 0n ? 0n : ceilDiv(amountIn * fee, MILLION - fee))

const deltaIn = (a: bigint, b: bigint, liquidity: bigint, zeroForOne: boolean): bigint =>
  zeroForOne ? amount0Delta(a, b, liquidity, true) : amount1Delta(a, b, liquidity, true)

const deltaOut = (a: bigint, b: bigint, liquidity: bigint, zeroForOne: boolean): bigint =>
  zeroForOne ? amount1Delta(a, b, liquidity, false) : amount0Delta(a, b, liquidity, false)
