import type { ChainInfo } from '../../../src/protocol/chain.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import { type Address, type Hex, type Raw, type Wei, wei } from '../../../src/protocol/units.ts'
import { exposureOf } from '../token-names.ts'
import type { Cycle } from './cycles.ts'
import type { NativeRate, NativeRates } from './native-rate.ts'

export interface SearchParams {
  chain: ChainInfo
  block: number
  blockHash: Hex
  /** What a unit of gas is expected to cost. */
  baseFeeWei: Wei
  limits: Pick<Limits, 'maxInputRawPerTrade' | 'maxInputRawPerHour' | 'tokens'>
  /** Floor of the profit after premium, expected gas and tip. */
  minProfitWei: Wei
  planBlocks: number
  /** What lenders can lend, by `lendingKey`; absent is nothing. The same object as long as nothing changed. */
  liquidity: ReadonlyMap<string, Raw>
  /** Fee for the L1 data of a trade, on chains that have one. */
  l1FeeWei?: (hops: Cycle) => Wei
  /** Share of the net profit that is given to the block's builder; only where the base token is the wrapped native one. */
  tipBps?: number
}

/** Key of what a lender can lend of a token. */
export const lendingKey = (lender: Address, token: Address): string => `${lender}/${token}`

/** What counts, beside the profit itself, for every cycle through one base token in one block. */
export interface Terms {
  token: Address
  rate: NativeRate
  /** Of one loan, raw units. */
  limitRaw: Raw
  baseFeeWei: Wei
  l1FeeWei: (hops: Cycle) => Wei
  /** Share of the net profit that goes to the block's builder. */
  tipBps: bigint
  /** Floor of what is left after premium, gas and tip. */
  minProfitWei: Wei
}

/** @returns undefined for a token without a limit, which is not borrowed, or without a rate, which is not searched */
export function termsOf(token: Address, params: SearchParams, rates: NativeRates): Terms | undefined {
  const { chain, limits, baseFeeWei, minProfitWei } = params
  const exposure = exposureOf(limits, chain, token)
  const rate = chain.weth === null ? undefined : rates.of(token, chain.weth)
  if (!exposure || !rate) return undefined
  const { maxInputRawPerTrade, maxInputRawPerHour } = exposure
  return {
    token,
    rate,
    limitRaw: maxInputRawPerTrade < maxInputRawPerHour ? maxInputRawPerTrade : maxInputRawPerHour,
    baseFeeWei,
    l1FeeWei: params.l1FeeWei ?? (() => wei(0n)),
    tipBps: token === chain.weth ? BigInt(params.tipBps ?? 0) : 0n,
    minProfitWei,
  }
}
