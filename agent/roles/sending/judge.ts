import { now } from '../../../src/protocol/schemas.ts'
import type { Execution } from '../../../src/protocol/trade.ts'
import { gasUnits, type Hex, raw, wei } from '../../../src/protocol/units.ts'
import type { RpcReceipt } from '../../dex/chain-types.ts'
import type { Rpc } from '../../dex/rpc.ts'
import { decodeExecuted } from '../../dex/trade/build.ts'
import { paidFor } from '../../dex/trade/receipt.ts'
import { inNative } from '../chain-reads.ts'
import type { Intent } from './intent.ts'
import { whyReverted } from './why.ts'

/**
 * What an intent came to, by the receipt of one of its transactions. A cancel that was mined makes it `missed`, at the
 * cost of the cancel.
 */
export async function judged(rpc: Rpc, intent: Intent, receipt: RpcReceipt): Promise<Execution> {
  const { contract } = intent.terms
  const tx = intent.signed.find(({ hash }) => hash === receipt.transactionHash)
  const block = Number(receipt.blockNumber)
  const cost = { ...paidFor(receipt), tx: receipt.transactionHash, block }
  if (tx?.kind === 'cancel') {
    const reason = `it was not mined by block ${intent.deadlineBlock}, and was cancelled in block ${block}`
    return { ...nothing(intent, reason), ...cost }
  }
  const done = receipt.status === '0x1' ? decodeExecuted(receipt.logs, contract) : undefined
  if (done?.opportunityId === intent.opportunityId) {
    const { profitRaw, tipWei } = done
    const profitWei = inNative(profitRaw, intent.terms)
    return { ...nothing(intent, null), ...cost, status: 'executed', profitRaw, profitWei, tipWei }
  }
  const why = tx ? await whyReverted(rpc, tx.raw, receipt) : 'it is not one of its transactions'
  return { ...nothing(intent, `it reverted in block ${block}: ${why}`), ...cost, status: 'reverted' }
}

/** An intent of which nothing is in a block. */
export const missed = (intent: Intent, reason: string): Execution => nothing(intent, reason)

const nothing = (intent: Intent, reason: string | null): Execution => ({
  opportunityId: intent.opportunityId,
  chainInstance: intent.chainInstance,
  attempt: intent.attempt,
  status: 'missed',
  tx: lastTrade(intent),
  from: intent.from,
  block: null,
  token: intent.terms.token,
  predictedWei: intent.terms.predictedWei,
  profitRaw: raw(0n),
  profitWei: wei(0n),
  gasUsed: gasUnits(0n),
  gasWei: wei(0n),
  reason,
  at: now(),
})

const lastTrade = ({ signed }: Intent): Hex | null => signed.findLast(({ kind }) => kind === 'trade')?.hash ?? null

/** True when two judgements of one intent differ in what counts. */
export const differs = (a: Execution, b: Execution): boolean =>
  a.status !== b.status || a.tx !== b.tx || a.block !== b.block || a.profitWei !== b.profitWei || a.gasWei !== b.gasWei
