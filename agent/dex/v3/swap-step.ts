import type { Pips, SqrtPriceX96 } from '../../../src/protocol/units.ts'
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
  feePips: Pips
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

function stepExactIn({ price, target, liquidity, remaining, zeroForOne, feePips }: StepInput): Step {
  const fee = BigInt(feePips)
  const afterFee = (remaining * (MILLION - fee)) / MILLION
  const needed = deltaIn(price, target, liquidity, zeroForOne)
  const reached = afterFee >= needed ? target : priceAfterInput(price, liquidity, afterFee, zeroForOne)
  const amountIn = reached === target ? needed : deltaIn(price, reached, liquidity, zeroForOne)
  return {
    price: reached,
    amountIn,
    amountOut: deltaOut(price, reached, liquidity, zeroForOne),
    // Short of the target everything that is left is taken: what rounding spares becomes fee.
    feeAmount: reached === target ? ceilDiv(amountIn * fee, MILLION - fee) : remaining - amountIn,
  }
}

function stepExactOut({ price, target, liquidity, remaining, zeroForOne, feePips }: StepInput): Step {
  const fee = BigInt(feePips)
  const available = deltaOut(price, target, liquidity, zeroForOne)
  const reached = remaining >= available ? target : priceAfterOutput(price, liquidity, remaining, zeroForOne)
  const paid = reached === target ? available : deltaOut(price, reached, liquidity, zeroForOne)
  const amountIn = deltaIn(price, reached, liquidity, zeroForOne)
  return {
    price: reached,
    amountIn,
    amountOut: paid > remaining ? remaining : paid,
    feeAmount: ceilDiv(amountIn * fee, MILLION - fee),
  }
}

const deltaIn = (a: bigint, b: bigint, liquidity: bigint, zeroForOne: boolean): bigint =>
  zeroForOne ? amount0Delta(a, b, liquidity, true) : amount1Delta(a, b, liquidity, true)

const deltaOut = (a: bigint, b: bigint, liquidity: bigint, zeroForOne: boolean): bigint =>
  zeroForOne ? amount1Delta(a, b, liquidity, false) : amount0Delta(a, b, liquidity, false)
