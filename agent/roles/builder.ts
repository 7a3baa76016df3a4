import { knownHead } from '../chain-access.ts'
import { encodeExecute, executeGasLimit } from '../dex/trade/build.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'

/** An open deadline: the contract refuses it, so that only what test_writer has simulated can run. */
const OPEN = 0

export function builder(): Role {
  return {
    name: 'builder',
    stage: {
      stage: 'build',
      tool: {
        name: 'build_transaction',
        description: 'Builds the call of ArbExecutor for a plan, with the deadline left open.',
      },
      run: build,
    },
    tools: [],
  }
}

async function build({ input: plan }: StageTask<'build'>, context: RoleContext): Promise<StageResult<'build'>> {
  const { executor } = await context.chain()
  if (!executor) return { outcome: 'refused', reason: 'no ArbExecutor is known on this chain; pass --executor-address' }
  const head = await knownHead(context.memory, plan.chainInstance)
  if (head !== null && head > plan.expiresBlock)
    return { outcome: 'expired', reason: `block ${head} is past ${plan.expiresBlock}` }
  const data = encodeExecute(plan, OPEN)
  const gasLimit = executeGasLimit(plan.hops, plan.lender)
  return { outcome: 'ok', output: { plan, to: executor.address, data, gasLimit, deadlineBlock: OPEN } }
}
