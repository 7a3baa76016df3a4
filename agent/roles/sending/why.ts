import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcReceipt } from '../../dex/chain-types.ts'
import type { Rpc } from '../../dex/rpc.ts'
import { revertReason } from '../../dex/trade/receipt.ts'
import { decodeRevert } from '../../dex/trade/revert.ts'

const TOP_CALL = { tracer: 'callTracer', tracerConfig: { onlyTopCall: true } }

/**
 * Why a mined transaction reverted, in the contract's words: from its trace, which is of the very state that it met, and,
 * of a node that has none, by calling it again on the states around its block.
 * @param signed its bytes
 * @throws FleetError `chain_unreachable`
 */
export async function whyReverted(rpc: Rpc, signed: Hex, receipt: RpcReceipt): Promise<string> {
  const output = await traced(rpc, receipt.transactionHash)
  return output === undefined ? revertReason(rpc, signed, receipt) : decodeRevert(output)
}

/** What it returned when it reverted; undefined where the node does not tell, or it returned nothing. */
async function traced(rpc: Rpc, hash: Hex): Promise<Hex | undefined> {
  try {
    const trace = await rpc.request<{ output?: unknown } | null>('debug_traceTransaction', [hash, TOP_CALL])
    const output = trace?.output
    return typeof output === 'string' && /^0x[0-9a-f]{8,}$/i.test(output) ? (output as Hex) : undefined
  } catch {
    return undefined // few nodes trace, and none must
  }
}
