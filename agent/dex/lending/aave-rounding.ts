import { id } from 'ethers'
import type { Lender } from '../../../src/protocol/trade.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { abiWord, word } from '../chain-types.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'

/** Where the borrower is put for the length of one eth_call: an address at which nothing is. */
const BORROWER: Address = '0x00000000000000000000000000000000a6bdec05'

/**
 * Called by whoever signs, with a pool's address and calldata behind it, it calls that pool and answers what came back.
 * Called by the pool, out of executeOperation, it reverts with the premium: the loan never happens.
 */
const BORROWER_CODE: Hex = `0x${[
  '333214601157', //           if caller == origin goto begin
  '604435600052', //           mem[0] = calldata[0x44]       the premium
  '60206000fd', //             revert mem[0 … 0x20]
  '5b', //               0x11: begin
  '602036038060206000', //     len = calldatasize - 0x20
  '37', //                     mem[0 … len] = calldata[0x20 …]
  '600060008260006000', //     nothing is kept of the answer, no value
  '6000355af1', //             call(gas, calldata[0], 0, 0, len, 0, 0)
  '3d600060003e', //           mem[0 …] = what came back
  '3d6000f3', //               return it
].join('')}`

const FLASH_LOAN_SIMPLE = id('flashLoanSimple(address,address,uint256,bytes,uint16)').slice(0, 10)
/** A loan of one unit at less than half a unit of premium: half up it costs nothing, rounded up it costs 1. */
const HALF_BPS = 5_000

/**
 * How an Aave V3 pool rounds its premium, found out from the pool itself: older versions round half up, newer ones (3.7) up.
 * A loan of one unit is begun in an eth_call, and broken off when the premium has been told.
 *
 * @param tokens some that it may lend; the first that it lends tells
 * @returns undefined when none does, or the premium is too high for it to show
 */
export async function aaveRounding(
  rpc: Rpc,
  pool: Address,
  premiumBps: number,
  tokens: readonly Address[],
): Promise<Lender['rounding']> {
  if (premiumBps <= 0 || premiumBps >= HALF_BPS) return undefined
  for (const token of tokens) {
    const premium = await premiumOfOne(rpc, pool, token)
    if (premium === 0n) return 'half_up'
    if (premium === 1n) return 'up'
  }
  return undefined
}

async function premiumOfOne(rpc: Rpc, pool: Address, token: Address): Promise<bigint | undefined> {
  const words = [BigInt(BORROWER), BigInt(token), 1n, 0xa0n, 0n, 0n].map(abiWord).join('')
  const data = `0x${abiWord(BigInt(pool))}${FLASH_LOAN_SIMPLE.slice(2)}${words}`
  try {
    const told = await rpc.request<Hex>('eth_call', [
      { to: BORROWER, data },
      'latest',
      { [BORROWER]: { code: BORROWER_CODE } },
    ])
    return told.length === 66 ? word(told, 0) : undefined
  } catch (thrown) {
    if (thrown instanceof RpcError) return undefined
    throw thrown
  }
}
