import type { TokenInfo } from '../../../src/protocol/chain.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { word } from '../chain-types.ts'
import { askAll, selector } from '../pools/lens.ts'
import type { Rpc } from '../rpc.ts'

const DECIMALS = selector('decimals()')
const SYMBOL = selector('symbol()')
const LONGEST = 32

/**
 * Symbols and decimals of many tokens, a thousand a call. A symbol is what the token says of itself: text for people, and no
 * proof of anything. A token that says nothing is shown by its address, and its decimals are taken for 18.
 */
export async function tokenFacts(rpc: Rpc, tokens: readonly Address[], blockHash: Hex): Promise<TokenInfo[]> {
  const ask = (of: Hex, words: number) =>
    askAll(
      { rpc, blockHash },
      tokens.map((target) => ({ target, selector: of })),
      words,
    )
  const [decimals, texts, bytes] = await Promise.all([ask(DECIMALS, 1), ask(SYMBOL, 3), ask(SYMBOL, 1)])
  return tokens.map((token, at) => ({
    address: token,
    symbol: symbolIn(texts[at], bytes[at]) ?? `${token.slice(0, 8)}…`,
    decimals: decimalsIn(decimals[at]),
  }))
}

function decimalsIn(answer: Hex | undefined): number {
  const value = answer === undefined ? 18n : word(answer, 0)
  return value <= 255n ? Number(value) : 18
}

/** An ABI string, or, of old tokens, 32 bytes. Only printable ASCII is taken over. */
function symbolIn(text: Hex | undefined, bytes: Hex | undefined): string | undefined {
  const digits =
    text !== undefined && word(text, 0) === 32n && word(text, 1) <= LONGEST
      ? text.slice(130, 130 + 2 * Number(word(text, 1)))
      : bytes?.slice(2, 66)
  const symbol = Buffer.from(digits ?? '', 'hex')
    .toString('latin1')
    .replace(/[^\x21-\x7e]/g, '')
  return symbol === '' ? undefined : symbol
}
