import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { type Address, address, type Hex } from '../../../src/protocol/units.ts'
import { abiWord, word } from '../chain-types.ts'
import { selector } from '../pools/lens.ts'

const GET_PAIR = selector('getPair(address,address)')
const GET_POOL = selector('getPool(address,address,uint24)')

/** Calldata that asks a V2 or V3 factory for its pool of two tokens, and of V3 of a fee. */
export function makerCall({ kind, token0, token1, feePips }: Omit<PoolInfo, 'address'>): Hex {
  const both = abiWord(BigInt(token0)) + abiWord(BigInt(token1))
  return kind === 'v2' ? `${GET_PAIR}${both}` : `${GET_POOL}${both}${abiWord(feePips)}`
}

/** The address that a factory answered; undefined for none. */
export function addressIn(returned: Hex): Address | undefined {
  const value = returned.length >= 66 ? word(returned, 0) : 0n
  return value === 0n ? undefined : address(`0x${value.toString(16).padStart(40, '0')}`)
}
