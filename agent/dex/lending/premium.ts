import { unreachable } from '../../../src/protocol/errors.ts'
import type { Lender } from '../../../src/protocol/trade.ts'
import { type Raw, raw } from '../../../src/protocol/units.ts'

const BPS = 10_000n
const ONE = 10n ** 18n
const ONE_BPS = ONE / BPS

/** a / b, rounded up. */
const ceilDiv = (a: bigint, b: bigint): bigint => (a + b - 1n) / b

/**
 * What a lender asks on top of a loan, rounded as that lender rounds.
 *
 * A first pool of the route that lends has `premiumBps` 0, and asks nothing.
 * @returns raw units. Aave rounds as `rounding` says (aave-rounding.ts asks it); where that is not said this is never too
 *   little, and one unit too much at most. Balancer and a Uniswap V3 pool round up. A pair has its fee taken off what comes
 *   back, so that it asks fee / (1 - fee), rounded up
 */
export function premiumOf(lender: Pick<Lender, 'kind' | 'premiumBps' | 'rounding'>, amount: Raw): Raw {
  const bps = BigInt(lender.premiumBps)
  switch (lender.kind) {
    case 'own':
    case 'uniswap_v4':
      return raw(0n)
    case 'aave_v3':
      return raw(lender.rounding === 'half_up' ? (amount * bps + BPS / 2n) / BPS : ceilDiv(amount * bps, BPS))
    case 'balancer_v2':
      return raw(ceilDiv(amount * bps * ONE_BPS, ONE))
    case 'uniswap_v3':
      return raw(ceilDiv(amount * bps, BPS))
    case 'uniswap_v2':
      return raw(ceilDiv(amount * bps, BPS - bps))
    default:
      return unreachable(lender.kind)
  }
}
