import { keccak256, toUtf8Bytes } from 'ethers'
import type { ChainInfo, TokenInfo } from '../../src/protocol/chain.ts'
import type { Limits } from '../../src/protocol/fleet.ts'
import { now } from '../../src/protocol/schemas.ts'
import type { Lender, Opportunity, PoolState } from '../../src/protocol/trade.ts'
import { type Address, type Hex, type Raw, raw, type Wei, wei } from '../../src/protocol/units.ts'
import type { Cycle, RouteHop } from './cycles.ts'
import { gasOfRoute } from './gas.ts'
import { bestSize, type LoanTerms, type Sized, type States } from './size.ts'

export interface SearchInput {
  /** Of every pool on the cycles, at `block`. */
  states: States
  /** Through `chain.weth`. */
  cycles: readonly Cycle[]
  chain: ChainInfo
  block: number
  blockHash: Hex
  baseFeeWei: Wei
  /** Floor of the profit after premium and expected gas. */
  minProfitWei: Wei
  limits: Limits
  planBlocks: number
  /** What the lender can lend of the base token; without it only the limit counts. */
  lenderLiquidityRaw?: Raw
  /** Results of the blocks before; the same object for the same chain, lender and limits. */
  cache?: SearchCache
}

/** What each cycle earned and at which states: it is sized again only when one of its pools changed. */
export type SearchCache = Map<
  Cycle,
  { pools: readonly (PoolState | undefined)[]; maxRaw: Raw; sized: Sized | undefined }
>

/** The opportunities of a block, best first: no two share a pool, each nets the floor or more, every amount is exact. */
export function findOpportunities(input: SearchInput): Opportunity[] {
  const { chain } = input
  const lender = cheapest(chain.lenders)
  if (!chain.weth || !lender) return []
  const terms: LoanTerms = { lender, maxRaw: largestLoan(input) }
  const candidates: Opportunity[] = []
  for (const cycle of input.cycles) {
    const sized = sizeOnce(cycle, input, terms)
    if (!sized) continue
    const gasWei = wei(gasOfRoute(sized.hops) * input.baseFeeWei)
    if (sized.profitRaw - gasWei >= input.minProfitWei) candidates.push(opportunity(sized, lender, gasWei, input))
  }
  return disjoint(candidates)
}

function sizeOnce(cycle: Cycle, { states, cache }: SearchInput, terms: LoanTerms): Sized | undefined {
  const pools = cycle.map((hop) => states.get(hop.pool))
  const known = cache?.get(cycle)
  if (known && known.maxRaw === terms.maxRaw && known.pools.every((pool, at) => pool === pools[at])) return known.sized
  const sized = bestSize(cycle, states, terms)
  cache?.set(cycle, { pools, maxRaw: terms.maxRaw, sized })
  return sized
}

/** Greedy by what is left after gas: the best first, then whatever shares no pool with those taken. */
function disjoint(candidates: readonly Opportunity[]): Opportunity[] {
  const net = (found: Opportunity): bigint => found.profitWei - found.gasWei
  const order = [...candidates].sort((a, b) => (net(b) > net(a) ? 1 : net(b) < net(a) ? -1 : a.id < b.id ? -1 : 1))
  const used = new Set<Address>()
  return order.filter((found) => {
    if (found.hops.some((hop) => used.has(hop.pool))) return false
    for (const hop of found.hops) used.add(hop.pool)
    return true
  })
}

function opportunity(sized: Sized, lender: Lender, gasWei: Wei, input: SearchInput): Opportunity {
  const { chain, block, blockHash } = input
  return {
    id: opportunityId(chain.chainInstance, block, sized.hops),
    chainInstance: chain.chainInstance,
    block,
    blockHash,
    token: chain.weth as Address,
    lender,
    ...sized,
    profitWei: wei(sized.profitRaw), // the wrapped native token: one unit is one wei
    gasWei,
    expiresBlock: block + input.planBlocks,
    at: now(),
  }
}

/** The same for everybody who sees this route in this block of this chain instance. */
export function opportunityId(chainInstance: string, block: number, hops: readonly RouteHop[]): Hex {
  const route = hops.map((hop) => `${hop.pool}:${hop.zeroForOne ? 0 : 1}`).join('/')
  return keccak256(toUtf8Bytes(`${chainInstance}|${block}|${route}`)) as Hex
}

/** `WETH →uniswap_v2→ USDC →sushi_v2→ WETH`. A token that is not known is shown by the start of its address. */
export function describeRoute(hops: readonly RouteHop[], tokens: readonly TokenInfo[]): string {
  const symbol = (token: Address): string =>
    tokens.find((known) => known.address === token)?.symbol ?? `${token.slice(0, 8)}…`
  const [first] = hops
  if (!first) return ''
  return symbol(first.tokenIn) + hops.map((hop) => ` →${hop.dex}→ ${symbol(hop.tokenOut)}`).join('')
}

const cheapest = (lenders: readonly Lender[]): Lender | undefined =>
  [...lenders].sort((a, b) => a.premiumBps - b.premiumBps)[0]

function largestLoan({ limits, lenderLiquidityRaw }: SearchInput): Raw {
  const limit = limits.maxInputRawPerTrade
  return lenderLiquidityRaw !== undefined && lenderLiquidityRaw < limit ? raw(lenderLiquidityRaw) : limit
}
