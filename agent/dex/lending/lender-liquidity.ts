import { id } from 'ethers'
import { FleetError, unreachable } from '../../../src/protocol/errors.ts'
import type { Lender } from '../../../src/protocol/trade.ts'
import { type Address, type Hex, type Raw, raw } from '../../../src/protocol/units.ts'
import { abiWord, word } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'
import { MOST_PAID } from './most-paid.ts'

const selector = (signature: string): string => id(signature).slice(0, 10)
const GET_RESERVE_DATA = selector('getReserveData(address)')
const BALANCE_OF = selector('balanceOf(address)')
const GET_RESERVES = selector('getReserves()')
/** Position of aTokenAddress in Aave V3's ReserveData. */
const A_TOKEN = 8

/**
 * What a lender can lend of a token at a block, raw units; 0 when it does not know the token. A V4 manager lends as the
 * holder of the route's first pool, which is paid for what it pays out: as much as that pool takes.
 * @throws FleetError `config_invalid` for a pair whose two tokens are not said
 */
export async function lenderLiquidity(rpc: Rpc, lender: Lender, token: Address, blockHash: Hex): Promise<Raw> {
  const call = (to: string, data: string): Promise<Hex> => rpc.request('eth_call', [{ to, data }, { blockHash }])
  const balance = async (holder: bigint): Promise<Raw> => raw(word(await call(token, BALANCE_OF + abiWord(holder)), 0))
  if (lender.tokens?.includes(token) === false) return raw(0n)
  switch (lender.kind) {
    case 'aave_v3': {
      const aToken = word(await call(lender.address, GET_RESERVE_DATA + abiWord(BigInt(token))), A_TOKEN)
      return aToken === 0n ? raw(0n) : balance(aToken)
    }
    case 'own':
    case 'balancer_v2':
    case 'uniswap_v3':
      return balance(BigInt(lender.address))
    case 'uniswap_v2': {
      // A pair never pays out all that it has, and what it holds above its reserve is not its to lend.
      const reserves = await call(lender.address, GET_RESERVES)
      const reserve = word(reserves, sideOf(lender, token))
      return raw(reserve > 0n ? reserve - 1n : 0n)
    }
    case 'uniswap_v4':
      return MOST_PAID.v4
    default:
      return unreachable(lender.kind)
  }
}

/** 0 or 1: pairs sort their tokens by address. */
function sideOf({ address, tokens }: Lender, token: Address): 0 | 1 {
  if (tokens?.length === 2) return tokens.every((other) => token <= other) ? 0 : 1
  throw new FleetError('config_invalid', `the lender ${address} is a pair whose two tokens are not given`, {
    remedy: 'List both tokens of the pair in the chain profile.',
  })
}
