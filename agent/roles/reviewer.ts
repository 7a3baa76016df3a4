import type { ChainInfo } from '../../src/protocol/chain.ts'
import type { StageInput } from '../../src/protocol/task.ts'
import type { Review } from '../../src/protocol/trade.ts'
import { wei } from '../../src/protocol/units.ts'
import type { RpcReceipt } from '../dex/chain-types.ts'
import { decodeExecuted } from '../dex/trade/build.ts'
import { paidFor } from '../dex/trade/receipt.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { inNative } from './chain-reads.ts'

export function reviewer(): Role {
  return {
    name: 'reviewer',
    stage: {
      stage: 'review',
      tool: {
        name: 'review_execution',
        description: 'Reads an execution back from the chain and compares what it earned with what was promised.',
      },
      run: reviewStage,
    },
    tools: [],
  }
}

async function reviewStage({ input }: StageTask<'review'>, context: RoleContext): Promise<StageResult<'review'>> {
  const rpc = await context.rpc()
  const { tx } = input.execution
  const receipt = tx === null ? null : await rpc.request<RpcReceipt | null>('eth_getTransactionReceipt', [tx])
  return { outcome: 'ok', output: review(input, receipt, await context.chain()) }
}

/** What the chain's own words say against the promise and against the executor's report. */
export function review(
  { verdict, execution }: StageInput['review'],
  receipt: RpcReceipt | null,
  { executor }: Pick<ChainInfo, 'executor'>,
): Review {
  const { plan } = verdict.tx
  const done = receipt && executor ? decodeExecuted(receipt.logs, executor.address) : undefined
  const profitWei = inNative(done?.profitRaw ?? 0n, plan)
  const gasWei = receipt ? paidFor(receipt).gasWei : wei(0n)
  const block = receipt ? Number(receipt.blockNumber) : null
  const checks: readonly (readonly [boolean, string])[] = [
    [receipt === null, `the chain has no receipt of ${execution.tx}`],
    [receipt !== null && !done, 'the contract has executed nothing in it'],
    [done !== undefined && done.opportunityId !== plan.opportunityId, `it executed ${done?.opportunityId} instead`],
    [done !== undefined && done.sizeRaw !== plan.sizeRaw, `it borrowed ${done?.sizeRaw}, not ${plan.sizeRaw}`],
    [done !== undefined && done.token !== plan.token, `it earned ${done?.token}, not ${plan.token}`],
    [
      done !== undefined && profitWei !== verdict.predictedWei,
      `${profitWei} wei, not the ${verdict.predictedWei} promised`,
    ],
    [profitWei !== execution.profitWei, `the executor reported ${execution.profitWei} wei`],
    [receipt !== null && gasWei !== execution.gasWei, `the executor reported ${execution.gasWei} wei of gas`],
    [block !== null && block > verdict.deadlineBlock, `block ${block} is past the deadline ${verdict.deadlineBlock}`],
  ]
  return {
    opportunityId: plan.opportunityId,
    attempt: execution.attempt,
    tx: execution.tx,
    block,
    predictedWei: verdict.predictedWei,
    profitWei,
    gasWei,
    exact: done?.opportunityId === plan.opportunityId && profitWei === verdict.predictedWei,
    findings: checks.flatMap(([wrong, finding]) => (wrong ? [finding] : [])),
  }
}
