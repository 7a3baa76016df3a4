import { keccak256, toUtf8Bytes } from 'ethers'
import type { ChainInfo, TokenInfo } from '../../../src/protocol/chain.ts'
import { now } from '../../../src/protocol/schemas.ts'
import type { Opportunity } from '../../../src/protocol/trade.ts'
import { type Address, type Hex, wei } from '../../../src/protocol/units.ts'
import type { RouteHop } from './cycles.ts'
import { type Offer, proceeds } from './offers.ts'
import type { Sized } from './size.ts'

/** The block in which it was found. */
export interface FoundIn {
  chain: Pick<ChainInfo, 'chainInstance'>
  block: number
  blockHash: Hex
  planBlocks: number
}

/** @param offer one that is sized */
export function opportunityOf(
  { sized, terms, option, gasWei }: Offer,
  { chain, block, blockHash, planBlocks }: FoundIn,
): Opportunity {
  const exact = sized as Sized
  const { profitWei, tipWei } = proceeds(exact, gasWei, terms)
  return {
    id: opportunityId(chain.chainInstance, block, exact.hops),
    chainInstance: chain.chainInstance,
    block,
    blockHash,
    token: terms.token,
    lender: option.lender,
    ...exact,
    profitWei: wei(profitWei),
    gasWei,
    ...(tipWei > 0n ? { tipWei: wei(tipWei) } : {}),
    expiresBlock: block + planBlocks,
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
