import { id } from 'ethers'
import { unreachable } from '../../src/protocol/errors.ts'
import type { Lender } from '../../src/protocol/trade.ts'
import { type Address, type Hex, type Raw, raw } from '../../src/protocol/units.ts'
import { abiWord, word } from './chain-types.ts'
import type { Rpc } from './rpc.ts'

const GET_RESERVE_DATA = id('getReserveData(address)').slice(0, 10)
const BALANCE_OF = id('balanceOf(address)').slice(0, 10)
/** Position of aTokenAddress in Aave V3's ReserveData. */
const A_TOKEN = 8

/** What a lender can lend of a token at a block, raw units; 0 when it does not know the token. */
export async function lenderLiquidity(rpc: Rpc, lender: Lender, token: Address, blockHash: Hex): Promise<Raw> {
  const call = (to: string, data: string): Promise<Hex> => rpc.request('eth_call', [{ to, data }, { blockHash }])
  switch (lender.kind) {
    case 'aave_v3': {
      const reserve = await call(lender.address, GET_RESERVE_DATA + abiWord(BigInt(token)))
      const aToken = word(reserve, A_TOKEN)
      if (aToken === 0n) return raw(0n)
      return raw(word(await call(token, BALANCE_OF + abiWord(aToken)), 0))
    }
    default:
      return unreachable(lender.kind)
  }
}
