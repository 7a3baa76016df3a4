import type { TokenInfo } from '../../src/protocol/chain.ts'
import type { TaskView, TradeView } from '../../src/protocol/records.ts'
import type { TaskResult } from '../../src/protocol/task.ts'
import type { Hop } from '../../src/protocol/trade.ts'
import type { Address } from '../../src/protocol/units.ts'
import type { Workflow } from '../workflow-state.ts'

/** `WETH →uniswap_v2→ USDC →sushi_v2→ WETH`; a token without a known symbol by the start of its address. */
export function routeText(hops: readonly Hop[], tokens: readonly TokenInfo[]): string {
  const symbol = (token: Address): string => tokens.find((t) => t.address === token)?.symbol ?? `${token.slice(0, 8)}…`
  const first = hops[0] ? symbol(hops[0].tokenIn) : ''
  return first + hops.map((hop) => ` →${hop.dex}→ ${symbol(hop.tokenOut)}`).join('')
}

/** A workflow as `trades` shows it. */
export function tradeView(workflow: Workflow, tokens: readonly TokenInfo[]): TradeView {
  const { opportunity, plan, mined, verdict, review, ended } = workflow
  const execution = mined?.execution
  const hops = plan?.hops ?? opportunity.hops
  return {
    id: workflow.id,
    chainInstance: workflow.chainInstance,
    state: ended?.state ?? 'running',
    stage: workflow.stage,
    attempt: workflow.attempt,
    block: opportunity.block,
    route: routeText(hops, tokens),
    hops,
    lender: plan?.lender ?? opportunity.lender,
    sizeRaw: (plan?.sizeRaw ?? opportunity.sizeRaw).toString(),
    expectedWei: opportunity.profitWei,
    predictedWei: execution?.predictedWei ?? (verdict?.pass ? verdict.predictedWei : null),
    profitWei: execution?.profitWei ?? null,
    gasWei: mined || workflow.gasWei > 0n ? workflow.gasWei : null,
    exact: review?.exact ?? null,
    tx: execution?.tx ?? null,
    reason: reasonOf(workflow),
    startedAt: workflow.startedAt,
    endedAt: ended?.at ?? null,
  }
}

/** Why it ended as it did: of what reverted in a block first the contract's words, then what came of mending it. */
export function reasonOf({ mined, ended, reason }: Pick<Workflow, 'mined' | 'ended' | 'reason'>): string | null {
  const last = ended?.reason ?? reason
  const words = mined?.execution.status === 'reverted' ? mined.execution.reason : null
  if (words === null || last === null) return last ?? words
  return last.includes(words) ? last : `${words}; then ${last}`
}

export const taskView = (result: TaskResult): TaskView => ({
  id: result.taskId,
  tradeId: result.workflowId,
  stage: result.stage,
  agent: result.agent,
  attempt: result.attempt,
  outcome: result.outcome,
  reason: result.reason,
  startedAt: result.startedAt,
  ms: result.ms,
})
