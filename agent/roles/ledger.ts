import type { ChainInfo } from '../../src/protocol/chain.ts'
import type { StageTime, TradeEntry } from '../../src/protocol/ledger.ts'
import type { TradePlan } from '../../src/protocol/trade.ts'
import { wei } from '../../src/protocol/units.ts'
import { premiumOf } from '../dex/lending/premium.ts'
import type { Workflow } from '../workflow-state.ts'
import { inNative } from './chain-reads.ts'
import { reasonOf, routeText } from './trade-view.ts'

/** What a trade that ended brought and cost; undefined where nothing of it reached a block: it moved no money. */
export function tradeEntry(workflow: Workflow, chain: Pick<ChainInfo, 'chainId' | 'tokens'>): TradeEntry | undefined {
  const { mined, ended } = workflow
  if (!ended) return undefined
  if (!mined) return workflow.gasWei > 0n ? missedEntry(workflow, ended, chain) : undefined
  if (ended.state !== 'executed' && ended.state !== 'reverted') return undefined
  const { execution, verdict } = mined
  const { plan } = verdict.tx
  const executed = execution.status === 'executed'
  const premiumWei = executed ? inNative(premiumOf(plan.lender, plan.sizeRaw), plan) : NOTHING
  const tipWei = executed ? (execution.tipWei ?? NOTHING) : NOTHING
  const { profitWei, predictedWei, l1FeeWei = NOTHING } = execution
  return {
    ...frameOf(workflow, ended, plan, chain),
    state: ended.state,
    tx: execution.tx,
    block: execution.block,
    grossWei: wei(profitWei + premiumWei + tipWei),
    premiumWei,
    tipWei,
    profitWei,
    predictedWei,
    l1FeeWei,
    netWei: wei(profitWei - workflow.gasWei),
  }
}

/** The trade is in no block, but what took its nonce is: its gas was paid for nothing. */
function missedEntry(
  workflow: Workflow,
  ended: Ended,
  chain: Pick<ChainInfo, 'chainId' | 'tokens'>,
): TradeEntry | undefined {
  const { execution, plan, gasWei } = workflow
  if (!plan) return undefined
  return {
    ...frameOf(workflow, ended, plan, chain),
    state: 'missed',
    tx: execution?.tx ?? null,
    block: execution?.block ?? null,
    grossWei: NOTHING,
    premiumWei: NOTHING,
    tipWei: NOTHING,
    profitWei: NOTHING,
    predictedWei: NOTHING,
    l1FeeWei: execution?.l1FeeWei ?? NOTHING,
    netWei: wei(-gasWei),
  }
}

type Ended = NonNullable<Workflow['ended']>

const NOTHING = wei(0n)

/** What an entry says whatever came of the trade. */
function frameOf(workflow: Workflow, ended: Ended, plan: TradePlan, chain: Pick<ChainInfo, 'chainId' | 'tokens'>) {
  return {
    entry: 'trade' as const,
    id: workflow.id,
    at: ended.at,
    chainInstance: workflow.chainInstance,
    chainId: chain.chainId,
    attempts: workflow.attempt,
    route: routeText(plan.hops, chain.tokens),
    venues: plan.hops.map((hop) => hop.dex),
    lender: plan.lender.kind,
    lenderAddress: plan.lender.address,
    token: plan.token,
    sizeRaw: plan.sizeRaw.toString(),
    gasWei: workflow.gasWei,
    stages: stageTimes(workflow),
    totalMs: Math.max(0, Date.parse(ended.at) - Date.parse(workflow.startedAt)),
    reason: reasonOf(workflow),
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
