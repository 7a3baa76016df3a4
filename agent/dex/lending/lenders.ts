import type { Hop, Lender, PoolKind } from '../../../src/protocol/trade.ts'
import { type Address, type GasUnits, type Raw, raw } from '../../../src/protocol/units.ts'
import { gasOfTrade } from './gas-of-trade.ts'
import { MOST_PAID } from './most-paid.ts'

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

/** As what a pool lends that is the first of a route. */
const FIRST: Readonly<Record<PoolKind, Lender['kind']>> = { v2: 'uniswap_v2', v3: 'uniswap_v3', v4: 'uniswap_v4' }

/**
 * Every lender that can lend `token` for a trade over `hops`, the cheapest first: by premium, then by gas.
 *
 * The first pool of the route, of whatever kind, lends by paying out before it is paid: for nothing, and without a limit of
 * its own. That of V4 does so through its manager, which would lend to other routes too, but never for less than their own
 * first pool. A pool that comes later on the route is locked or changed while it lends, and is left out.
 */
export function lenderOptions({ hops, token, lenders, liquidity }: LenderQuestion): readonly LenderOption[] {
  const [first] = hops
  const options: LenderOption[] = []
  const add = (lender: Lender, maxRaw: Raw): void => {
    options.push({ lender, maxRaw, gas: gasOfTrade(hops, lender) })
  }
  if (first !== undefined) {
    const address = first.v4?.manager ?? (first.pool as Address)
    add({ kind: FIRST[first.kind], address, premiumBps: 0 }, MOST_PAID[first.kind])
  }
  for (const lender of lenders) {
    const elsewhere = lender.kind !== 'uniswap_v4' && !hops.some((hop) => hop.pool === lender.address)
    if (!elsewhere || lender.tokens?.includes(token) === false) continue
    const maxRaw = liquidity.get(lender.address) ?? raw(0n)
    if (maxRaw > 0n) add(lender, maxRaw)
  }
  return options.sort((a, b) => a.lender.premiumBps - b.lender.premiumBps || Number(a.gas - b.gas))
}
