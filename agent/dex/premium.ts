import { unreachable } from '../../src/protocol/errors.ts'
import type { Lender } from '../../src/protocol/trade.ts'
import { type Raw, raw } from '../../src/protocol/units.ts'

/**
 * What a lender asks on top of a loan.
 * @returns raw units; Aave's core-v3 1.19 rounds half up (newer ones round up: at most one unit more)
 */
export function premiumOf(lender: Lender, amount: Raw): Raw {
  switch (lender.kind) {
    case 'aave_v3':
      return raw((amount * BigInt(lender.premiumBps) + 5_000n) / 10_000n)
    default:
      return unreachable(lender.kind)
  }
}
