import type { ChainInfo } from '../../src/protocol/chain.ts'
import type { StageTime, TradeEntry } from '../../src/protocol/ledger.ts'
import { wei } from '../../src/protocol/units.ts'
import { premiumOf } from '../dex/lending/premium.ts'
import type { Workflow } from '../workflow-state.ts'
import { inNative } from './chain-reads.ts'
import { routeText } from './trade-view.ts'

/** What a trade that ended brought and cost; undefined where nothing of it reached a block: it moved no money. */
export function tradeEntry(workflow: Workflow, chain: Pick<ChainInfo, 'chainId' | 'tokens'>): TradeEntry | undefined {
  const { mined, ended, gasWei } = workflow
  if (!mined || !ended || (ended.state !== 'executed' && ended.state !== 'reverted')) return undefined
  const { execution, verdict } = mined
  const { plan } = verdict.tx
  const executed = execution.status === 'executed'
  const premiumWei = executed ? inNative(premiumOf(plan.lender, plan.sizeRaw), plan) : wei(0n)
  const tipWei = executed ? (execution.tipWei ?? wei(0n)) : wei(0n)
  const { profitWei, predictedWei, l1FeeWei = wei(0n) } = execution
  return {
    entry: 'trade',
    id: workflow.id,
    at: ended.at,
    chainInstance: workflow.chainInstance,
    chainId: chain.chainId,
    state: ended.state,
    attempts: workflow.attempt,
    tx: execution.tx,
    block: execution.block,
    route: routeText(plan.hops, chain.tokens),
    venues: plan.hops.map((hop) => hop.dex),
    lender: plan.lender.kind,
    lenderAddress: plan.lender.address,
    token: plan.token,
    sizeRaw: plan.sizeRaw.toString(),
    grossWei: wei(profitWei + premiumWei + tipWei),
    premiumWei,
    tipWei,
    profitWei,
    predictedWei,
    gasWei,
    l1FeeWei,
    netWei: wei(profitWei - gasWei),
    stages: stageTimes(workflow),
    totalMs: Math.max(0, Date.parse(ended.at) - Date.parse(workflow.startedAt)),
    reason: ended.reason,
  }
}

/** Clocks of different processes may disagree by a little: no time is below 0. */
export function stageTimes({ timeline, startedAt }: Pick<Workflow, 'timeline' | 'startedAt'>): StageTime[] {
  let before = Date.parse(startedAt)
  return timeline.map(({ stage, attempt, startedAt: begun, ms }) => {
    const began = Date.parse(begun)
    const waitMs = Math.max(0, began - before)
    before = began + ms
    return { stage, attempt, waitMs, workMs: ms }
  })
}
