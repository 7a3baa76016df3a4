import type { Hop } from '../../../src/protocol/trade.ts'
import type { Raw } from '../../../src/protocol/units.ts'
import type { Sized } from './size.ts'

/** Above it a unit more or less moves the profit by less than a billionth: the optimum is flat. */
const COARSE_BELOW = 100_000
const MOST_TRIES = 64
const REACH = 4

export interface WholeUnits {
  /** The route sized for a loan; undefined where it cannot be, or is above the limit. */
  atSize(loan: Raw): Sized | undefined
  /** The least loan for which `hop` pays `amountOut`; undefined where it cannot. */
  inputFor(amountOut: bigint, hop: number): Raw | undefined
}

/**
 * A token of few decimals moves in steps that doubles do not see: where the smallest amount on the route is only so many
 * units, a few more or less can earn more than the smooth optimum. Tries those around, each at its least loan, then those
 * around the best of them.
 *
 * @param amounts what each hop pays at the smooth optimum, in doubles
 * @param first sized at the smooth optimum, where that is possible
 */
export function bestInWholeUnits(amounts: readonly number[], first: Sized | undefined, route: WholeUnits) {
  const hop = coarsest(amounts)
  const start = first ? Number((first.hops[hop] as Hop).amountOut) : Math.floor(amounts[hop] as number)
  if (start >= COARSE_BELOW) return first
  const tried = new Set(first ? [start] : [])
  const sizedFor = (units: number): Sized | undefined => {
    if (units <= 0 || tried.has(units)) return undefined
    tried.add(units)
    const loan = route.inputFor(BigInt(units), hop)
    return loan === undefined ? undefined : route.atSize(loan)
  }
  let [best, centre] = [first, start]
  for (let moved = true; moved && tried.size < MOST_TRIES; ) {
    moved = false
    for (const units of around(centre)) {
      const sized = sizedFor(units)
      if (!sized || (best && sized.profitRaw <= best.profitRaw)) continue
      ;[best, centre, moved] = [sized, units, true]
    }
  }
  return best
}

/** As far as a second coarse token may lead astray. */
const around = (units: number): number[] => Array.from({ length: 2 * REACH + 1 }, (_, at) => units + at - REACH)

const coarsest = (amounts: readonly number[]): number => amounts.indexOf(Math.min(...amounts))
