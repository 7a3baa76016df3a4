import { type GasUnits, gasUnits, type Hex, type Wei, wei } from '../../../src/protocol/units.ts'
import { type RpcReceipt, toHex } from '../chain-types.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'
import { decodeRevert } from './revert.ts'
import { fieldsOf } from './send.ts'

export interface Paid {
  gasUsed: GasUnits
  /** Everything: the L1 fee included. */
  gasWei: Wei
  /** Only where the chain has one. */
  l1FeeWei?: Wei
}

/** What a mined transaction cost its sender, apart from the value it moved. */
export function paidFor(receipt: Pick<RpcReceipt, 'gasUsed' | 'effectiveGasPrice' | 'l1Fee'>): Paid {
  const gasUsed = gasUnits(BigInt(receipt.gasUsed))
  const l1FeeWei = receipt.l1Fee === undefined ? undefined : wei(BigInt(receipt.l1Fee))
  const gasWei = wei(gasUsed * BigInt(receipt.effectiveGasPrice) + (l1FeeWei ?? 0n))
  return { gasUsed, gasWei, ...(l1FeeWei !== undefined && { l1FeeWei }) }
}

/**
 * Why a mined transaction reverted, in words. It is called again on the state after its block, which holds whatever came
 * before it there, then on the state before. Neither is exactly the state that it met: where neither reverts, that is said.
 * @throws FleetError `chain_unreachable`
 */
export async function revertReason(rpc: Rpc, signed: Hex, receipt: RpcReceipt): Promise<string> {
  const fields = fieldsOf(signed)
  if (BigInt(receipt.gasUsed) >= fields.gasLimit) return `it used up its gas limit of ${fields.gasLimit}`
  const call = { from: receipt.from, to: fields.to, data: fields.data, gas: toHex(fields.gasLimit) }
  const block = Number(receipt.blockNumber)
  for (const at of [block, block - 1]) {
    try {
      await rpc.request('eth_call', [call, toHex(at)])
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      if (typeof error.data === 'string') return decodeRevert(error.data as Hex)
    }
  }
  return 'it does not on the state around that block'
}
