import { z } from 'zod'
import { FleetError } from '../../src/protocol/errors.ts'
import { keys } from '../../src/protocol/keys.ts'
import { HashSchema, now } from '../../src/protocol/schemas.ts'
import { readHead } from '../dex/send.ts'
import type { Role, RoleContext, RoleTool, StageResult, StageTask } from '../role.ts'
import { nextBaseFee } from './chain-reads.ts'
import { decideFirst, type Intent, readIntent } from './intent.ts'
import { PRIORITY_FEE_WEI, resolve, type Sending, sendOnce } from './sending.ts'
import { type Held, Signer } from './signer.ts'
import { limitBroken, reserve } from './spending.ts'

type Result = StageResult<'execute'>

/** Trades that one key may have under way: they share no pool, and each waits for its block. */
const IN_FLIGHT = 4

export function executor(): Role {
  const signers = new WeakMap<RoleContext, Signer>()
  return {
    name: 'executor',
    stage: {
      stage: 'execute',
      tool: {
        name: 'execute_trade',
        description:
          'Signs and sends a validated trade, once, unless halt or a limit forbids it, and tells what came of it.',
      },
      decidesExpiry: true,
      async run(task, context) {
        const signer = signers.get(context)
        if (!signer) throw noKey()
        return execute(task, context, signer)
      },
    },
    tools: [executionStatus],
    prefetch: IN_FLIGHT,
    async start(context) {
      const signer = new Signer(context)
      signers.set(context, signer)
      signer.start()
      return () => signer.stop()
    },
  }
}

/**
 * Idempotent on (opportunity, attempt): whoever finds an intent only finds out what became of it. Otherwise each rule
 * is asked, the refusal is recorded for all who come later, and only then is the trade sent.
 */
async function execute(task: StageTask<'execute'>, context: RoleContext, signer: Signer): Promise<Result> {
  const { opportunityId, attempt, signal } = task
  const { memory } = context
  const chain = await context.chain()
  const sending: Sending = { rpc: await context.rpc(), chain, memory, verdict: task.input, signal }
  const standing = await readIntent(memory, opportunityId, attempt)
  if (standing) return resolve(standing, sending)

  const head = await readHead(sending.rpc)
  const block = Number(head.number)
  const refuse = async (reason: string, outcome: 'refused' | 'expired' = 'refused'): Promise<Result> => {
    const decided = await decideFirst(memory, { ...intentOf(task, context), state: 'refused', outcome, reason })
    return resolve(decided, sending)
  }
  if (block > task.expiresBlock) return refuse(`block ${block} is past ${task.expiresBlock}`, 'expired')
  const feePerGasWei = nextBaseFee(head) + PRIORITY_FEE_WEI
  const broken = mismatch(sending, context.live) ?? limitBroken(task.input, context.limits, feePerGasWei)
  if (broken) return refuse(broken)
  if (block + 1 > task.input.deadlineBlock) return stale(block, task.input.deadlineBlock)
  const held = signer.held
  if (!held) throw noKey()
  const overspent = await reserveLoan(task, context, held)
  if (overspent) return refuse(overspent)

  const intended = { ...intentOf(task, context), from: held.address, fence: held.lease.token }
  const decided = await decideFirst(memory, intended)
  if (!decided.mine) return resolve(decided, sending)
  return sendOnce(decided, { ...sending, held, signer, limits: context.limits })
}

const stale = (block: number, deadlineBlock: number): Result => ({
  outcome: 'stale',
  reason: `at block ${block} the next one is past the deadline ${deadlineBlock}`,
})

/** Why this verdict cannot be for this chain, this contract, now. */
function mismatch({ verdict, chain }: Sending, live: boolean): string | undefined {
  const { tx, pass } = verdict
  if (!live) return 'dry run: transactions are not sent on this chain without --live'
  if (!pass) return 'the verdict did not pass'
  if (tx.plan.chainInstance !== chain.chainInstance) return 'the plan is of another chain instance'
  if (tx.to !== chain.executor?.address) return `${tx.to} is not the ArbExecutor of this chain`
  if (tx.deadlineBlock !== verdict.deadlineBlock) return 'the transaction has another deadline than its verdict'
  return undefined
}

const reserveLoan = (task: StageTask<'execute'>, context: RoleContext, { chainId, address }: Held) =>
  reserve(
    context.memory,
    keys.spending(chainId, address),
    { id: `${task.opportunityId}/${task.attempt}`, inputRaw: task.input.tx.plan.sizeRaw },
    context.limits,
  )

const intentOf = (task: StageTask<'execute'>, context: RoleContext): Intent => ({
  opportunityId: task.opportunityId,
  attempt: task.attempt,
  chainInstance: task.input.tx.plan.chainInstance,
  agent: context.id,
  state: 'intended',
  outcome: null,
  reason: null,
  from: null,
  fence: null,
  nonce: null,
  hash: null,
  raw: null,
  deadlineBlock: task.input.deadlineBlock,
  execution: null,
  at: now(),
})

const executionStatus: RoleTool = {
  name: 'execution_status',
  description: 'What was decided about one attempt of a trade, and what became of it.',
  input: z.object({ opportunityId: HashSchema, attempt: z.int().min(1).default(1) }),
  async run(input, { memory }) {
    const { opportunityId, attempt } = input as { opportunityId: `0x${string}`; attempt: number }
    const found = await readIntent(memory, opportunityId, attempt)
    if (!found) return { intent: null }
    const { raw: _signed, ...intent } = found.intent
    return { intent }
  },
}

const noKey = (): FleetError =>
  new FleetError('agent_unreachable', 'this executor holds no key just now', {
    remedy: 'Nothing: another executor takes the task, or this one once its key is free.',
    transient: true,
  })
