import type { Address, GasUnits, Raw, Wei } from '../../../src/protocol/units.ts'
import type { LenderOption } from '../lending/lenders.ts'
import type { Curve } from './curve.ts'
import type { Cycle } from './cycles.ts'
import { inNativeUnits } from './native-rate.ts'
import { loanPrice, type Sized } from './size.ts'
import type { Terms } from './terms.ts'
import { bestInput } from './walk.ts'

/** A cycle with one way to come by its loan. Until it is `sized`, its value is an upper bound. */
export interface Offer {
  cycle: number
  hops: Cycle
  terms: Terms
  option: LenderOption
  /** Largest loan: the lender's liquidity or the limit, raw units. */
  maxRaw: Raw
  gasWei: Wei
  /** After premium, gas and tip, in wei. */
  value: number
  /** Pools that it uses or borrows from: another that uses one of them cannot follow in the same block. */
  resources: number[]
  sized?: Sized
}

/** A cycle as `Estimates` see it: its profit and size without premium and limit. */
export interface Estimated {
  cycle: number
  hops: Cycle
  pools: readonly number[]
  profit: number
  size: number
  curves: () => readonly Curve[]
}

/** Doubles err by less: what is let through by it and is not worth it fails the exact figures. */
export const SLACK = 1 + 1e-9

/**
 * The best way to come by the loan; where that borrows from a pool that is not on the route, also the best without, because
 * another trade may need that pool.
 *
 * @param options by premium, then by gas
 * @param poolOf index of a lender that is a pool, undefined for other lenders
 */
export function offersFor(
  found: Estimated,
  terms: Terms,
  options: readonly LenderOption[],
  poolOf: (lender: Address) => number | undefined,
): Offer[] {
  let [best, alone]: [Offer | undefined, Offer | undefined] = [undefined, undefined]
  for (const option of options) {
    const pool = poolOf(option.lender.address)
    const borrowed = pool !== undefined && !found.pools.includes(pool)
    const offer = offerWith(found, terms, option, borrowed ? [...found.pools, pool] : [...found.pools])
    if (!best || offer.value > best.value) best = offer
    if (!borrowed && (!alone || offer.value > alone.value)) alone = offer
    // The ones that follow ask as much or more, and lend no more than is wanted.
    if (!borrowed && option.lender.premiumBps === 0 && found.size <= Number(offer.maxRaw)) break
  }
  const offers = best === alone ? [best] : [best, alone]
  return offers.filter((offer) => offer !== undefined).filter((offer) => offer.value >= Number(terms.minProfitWei))
}

function offerWith(found: Estimated, terms: Terms, option: LenderOption, resources: number[]): Offer {
  const { cycle, hops } = found
  const maxRaw = option.maxRaw < terms.limitRaw ? option.maxRaw : terms.limitRaw
  const gasWei = gasOf(option.gas, hops, terms)
  const profit = estimate(found, loanPrice(option.lender), Number(maxRaw)) * SLACK
  const net = (profit * Number(terms.rate.numerator)) / Number(terms.rate.denominator) - Number(gasWei)
  const value = net > 0 ? net * (1 - Number(terms.tipBps) / 1e4) : net
  return { cycle, hops, terms, option, maxRaw, gasWei, value, resources }
}

function estimate({ profit, size, curves }: Estimated, price: number, cap: number): number {
  if (price === 1 && size <= cap) return profit
  const best = bestInput(curves(), price, cap)
  return best ? best.output - price * best.input : 0
}

const gasOf = (gas: GasUnits, hops: Cycle, { baseFeeWei, l1FeeWei }: Terms): Wei =>
  (gas * baseFeeWei + l1FeeWei(hops)) as Wei

/** What exact amounts come to, in wei. */
export function proceeds({ profitRaw }: Sized, gasWei: Wei, { rate, tipBps }: Terms) {
  const profitWei = inNativeUnits(profitRaw, rate)
  const net = profitWei - gasWei
  const tipWei = net > 0n ? (net * tipBps) / 10_000n : 0n
  return { profitWei, tipWei, leftWei: net - tipWei }
}
