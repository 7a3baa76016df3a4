import type { ChainInfo, TokenInfo } from '../../src/protocol/chain.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Address } from '../../src/protocol/units.ts'

/** What a manifest's entry (an address, or a symbol in any case) means on a chain. */
export function tokensNamed(entry: string, tokens: readonly TokenInfo[]): Address[] {
  const name = entry.toLowerCase()
  if (/^0x[0-9a-f]{40}$/.test(name)) return [name as Address]
  return tokens.filter(({ symbol }) => symbol.toLowerCase() === name).map(({ address }) => address)
}

/**
 * How much of a token may be borrowed: the two figures of the wrapped native token, or those of `limits.tokens`; undefined
 * for a token that is not named there. A symbol that several tokens of the chain bear names none of them: anybody can
 * make another USDC.
 */
export function exposureOf(
  limits: Pick<Limits, 'maxInputRawPerTrade' | 'maxInputRawPerHour' | 'tokens'>,
  chain: Pick<ChainInfo, 'weth' | 'tokens'>,
  token: Address,
): Pick<Limits, 'maxInputRawPerTrade' | 'maxInputRawPerHour'> | undefined {
  if (token === chain.weth) return limits
  for (const [entry, exposure] of Object.entries(limits.tokens)) {
    const named = tokensNamed(entry, chain.tokens)
    if (named.length === 1 && named[0] === token) return exposure
  }
  return undefined
}
