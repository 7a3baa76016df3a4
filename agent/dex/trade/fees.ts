import { type Wei, wei } from '../../../src/protocol/units.ts'

/** What a transaction offers for each unit of gas. */
export interface Fees {
  maxFeePerGasWei: Wei
  /** At most maxFeePerGasWei. */
  maxPriorityFeePerGasWei: Wei
}

/** What is paid above the base fee. */
export const PRIORITY_FEE_WEI = 100_000_000n

/** A replacement offers an eighth more, on both fees. */
const RAISE = { numerator: 9n, denominator: 8n }
/** What nodes ask of a replacement at least, in percent of both fees. */
const LEAST_PERCENT = 110n

/** The most that a trade bids: the last raise below the ceiling is kept for the cancel that may have to replace it. */
export const tradeCeiling = (ceilingWei: bigint): Wei => wei((ceilingWei * RAISE.denominator) / RAISE.numerator)

/** Enough for base fees that rise for five full blocks in a row. */
const covering = (nextBaseFeeWei: bigint, capWei: bigint): Fees => fees(2n * nextBaseFeeWei + PRIORITY_FEE_WEI, capWei)

/**
 * The first bid of a trade. The sandbox puts those who bid more first in the block, whatever is paid in the end: there it is
 * all that a trade may bid.
 * @param nextBaseFeeWei what the next block may ask at most
 * @param ceilingWei limits.maxFeePerGasWei
 */
export function firstBid(nextBaseFeeWei: bigint, ceilingWei: bigint, sandbox: boolean): Fees {
  const cap = tradeCeiling(ceilingWei)
  return sandbox ? fees(cap, cap) : covering(nextBaseFeeWei, cap)
}

/**
 * The bid that replaces another of the same nonce: an eighth more on both fees, and no less than what would be bid anew.
 * @returns undefined where the cap leaves no room for the tenth more that nodes ask for
 */
export function raisedBid(last: Fees, nextBaseFeeWei: bigint, capWei: bigint): Fees | undefined {
  const anew = covering(nextBaseFeeWei, capWei)
  const raised = (fee: bigint): bigint => (fee * RAISE.numerator + RAISE.denominator - 1n) / RAISE.denominator
  const maxFee = atMost(capWei, greater(raised(last.maxFeePerGasWei), anew.maxFeePerGasWei))
  const priority = atMost(maxFee, greater(raised(last.maxPriorityFeePerGasWei), anew.maxPriorityFeePerGasWei))
  const enough = (now: bigint, before: bigint): boolean => now * 100n >= before * LEAST_PERCENT && now > before
  if (!enough(maxFee, last.maxFeePerGasWei) || !enough(priority, last.maxPriorityFeePerGasWei)) return undefined
  return { maxFeePerGasWei: wei(maxFee), maxPriorityFeePerGasWei: wei(priority) }
}

/** The bid of a cancel that replaces nothing, where a nonce was left out. */
export const fillingBid = (nextBaseFeeWei: bigint, ceilingWei: bigint): Fees => covering(nextBaseFeeWei, ceilingWei)

function fees(wantedWei: bigint, capWei: bigint): Fees {
  const maxFee = atMost(capWei, wantedWei)
  return { maxFeePerGasWei: wei(maxFee), maxPriorityFeePerGasWei: wei(atMost(maxFee, PRIORITY_FEE_WEI)) }
}

const atMost = (cap: bigint, value: bigint): bigint => (value < cap ? value : cap)
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)
