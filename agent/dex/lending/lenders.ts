import type { Hop, Lender } from '../../../src/protocol/trade.ts'
import { type Address, type GasUnits, type Raw, raw } from '../../../src/protocol/units.ts'
import { gasOfTrade } from './gas-of-trade.ts'

/** A way to come by the loan of a trade. */
export interface LenderOption {
  lender: Lender
  /** Largest loan, raw units; above 0. */
  maxRaw: Raw
  /** What the whole trade is expected to burn with this lender: transaction, contract, loan and hops. */
  gas: GasUnits
}

export interface LenderQuestion {
  /** The route, in order. */
  hops: readonly Pick<Hop, 'pool' | 'kind' | 'v4'>[]
  /** What is borrowed. */
  token: Address
  /** The chain's lenders, and `own` where there is capital. */
  lenders: readonly Lender[]
  /** Lender's address to what it can lend of `token` (agent/dex/lending/lender-liquidity.ts); absent is nothing. */
  liquidity: ReadonlyMap<string, Raw>
}

/** A pair keeps its reserves in 112 bits, and cannot be paid more. A pool's amounts are below 2^127. */
const MOST_PAID: Readonly<Record<'v2' | 'v3', Raw>> = { v2: raw(2n ** 112n - 1n), v3: raw(2n ** 127n - 1n) }

/**
 * Every lender that can lend `token` for a trade over `hops`, the cheapest first: by premium, then by gas.
 *
 * A pair or pool that is the first of the route lends by paying out before it is paid: for nothing, and without a limit of
 * its own. A pool that comes later on the route is locked or changed while it lends, and is left out.
 */
export function lenderOptions({ hops, token, lenders, liquidity }: LenderQuestion): readonly LenderOption[] {
  const [first] = hops
  const options: LenderOption[] = []
  const add = (lender: Lender, maxRaw: Raw): void => {
    options.push({ lender, maxRaw, gas: gasOfTrade(hops, lender) })
  }
  if (first !== undefined && first.kind !== 'v4') {
    const kind = first.kind === 'v2' ? 'uniswap_v2' : 'uniswap_v3'
    add({ kind, address: first.pool as Address, premiumBps: 0 }, MOST_PAID[first.kind])
  }
  for (const lender of lenders) {
    if (lender.tokens?.includes(token) === false || hops.some((hop) => hop.pool === lender.address)) continue
    const maxRaw = liquidity.get(lender.address) ?? raw(0n)
    if (maxRaw > 0n) add(lender, maxRaw)
  }
  return options.sort((a, b) => a.lender.premiumBps - b.lender.premiumBps || Number(a.gas - b.gas))
}
