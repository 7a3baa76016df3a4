import { z } from 'zod'
import type { ChainInfo } from '../../src/protocol/chain.ts'
import { FleetError } from '../../src/protocol/errors.ts'
import { keys } from '../../src/protocol/keys.ts'
import { HashSchema, now } from '../../src/protocol/schemas.ts'
import type { Verdict } from '../../src/protocol/trade.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import { exposureOf } from '../dex/token-names.ts'
import { PRIORITY_FEE_WEI } from '../dex/trade/fees.ts'
import { readHead } from '../dex/trade/send.ts'
import type { Role, RoleContext, RoleTool, StageResult, StageTask } from '../role.ts'
import { nextBaseFee } from './chain-reads.ts'
import { readAccountOf } from './sending/account.ts'
import { everyHead } from './sending/every-head.ts'
import { readHalt } from './sending/halt.ts'
import { decideFirst, type Intent, readIntent } from './sending/intent.ts'
import { keepNonces } from './sending/keeper.ts'
import { limitBroken } from './sending/limits.ts'
import { resolve, sendOnce } from './sending/sending.ts'
import type { Sending } from './sending/settling.ts'
import { type Held, Signer } from './sending/signer.ts'
import { reserve } from './sending/spending.ts'
import { submitterOf } from './sending/submitter.ts'
import { startWatcher } from './sending/watcher.ts'

type Result = StageResult<'execute'>

/** Trades that one key may have under way: they share no pool, and each waits for its block. */
const IN_FLIGHT = 16

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
      const stopKeeper = startKeeper(context, signer)
      const stopWatcher = startWatcher(context)
      return async () => {
        await Promise.all([stopKeeper(), stopWatcher()])
        await signer.stop()
      }
    },
  }
}

const startKeeper = (context: RoleContext, signer: Signer): (() => Promise<void>) =>
  everyHead('keeping nonces', context, async (rpc, chain, signal) => {
    const { held } = signer
    if (!held || held.chainId !== chain.chainId) return
    const { memory, limits } = context
    const submitter = await submitterOf(context, chain, rpc)
    await keepNonces({ rpc, chain, memory, submitter, signal, held, signer, limits })
  })

/**
 * Idempotent on (opportunity, attempt): whoever finds an intent only finds out what became of it. Otherwise each rule
 * is asked, the refusal is recorded for all who come later, and only then is the trade sent.
 */
async function execute(task: StageTask<'execute'>, context: RoleContext, signer: Signer): Promise<Result> {
  const { opportunityId, attempt, signal, input: verdict } = task
  const { memory, limits } = context
  const chain = await context.chain()
  const rpc = await context.rpc()
  const sending: Sending = { rpc, chain, memory, submitter: await submitterOf(context, chain, rpc), signal }
  const standing = await readIntent(memory, opportunityId, attempt)
  if (standing) return resolve(standing, sending)

  const head = await readHead(rpc)
  const block = Number(head.number)
  const refuse = async (reason: string, outcome: 'refused' | 'expired' = 'refused'): Promise<Result> => {
    const decided = await decideFirst(memory, { ...intentOf(task, context), state: 'refused', outcome, reason })
    return resolve(decided, sending)
  }
  if (block > task.expiresBlock) return refuse(`block ${block} is past ${task.expiresBlock}`, 'expired')
  const wrong = mismatch(verdict, sending, context.live)
  if (wrong) return refuse(wrong)
  if (block + 1 > verdict.deadlineBlock) return stale(block, verdict.deadlineBlock)
  const held = signer.held
  if (!held) throw noKey()
  const asked = { task, context, chain, held }
  const broken = (await brokenBy(head, asked)) ?? (await reserveLoan(asked))
  if (broken) return refuse(broken)

  const intended = { ...intentOf(task, context), from: held.address, fence: held.lease.token }
  const decided = await decideFirst(memory, intended)
  if (!decided.mine) return resolve(decided, sending)
  return sendOnce(decided, { ...sending, held, signer, limits, verdict, block, nextBaseFeeWei: nextBaseFee(head) })
}

const stale = (block: number, deadlineBlock: number): Result => ({
  outcome: 'stale',
  reason: `at block ${block} the next one is past the deadline ${deadlineBlock}`,
})

/** Why this verdict cannot be for this chain, this contract, now. */
function mismatch({ tx, pass, deadlineBlock }: Verdict, { chain }: Sending, live: boolean): string | undefined {
  if (!live) return 'dry run: transactions are not sent on this chain without --live'
  if (!pass) return 'the verdict did not pass'
  if (tx.plan.chainInstance !== chain.chainInstance) return 'the plan is of another chain instance'
  if (tx.to !== chain.executor?.address) return `${tx.to} is not the ArbExecutor of this chain`
  if (tx.deadlineBlock !== deadlineBlock) return 'the transaction has another deadline than its verdict'
  return undefined
}

interface Asked {
  task: StageTask<'execute'>
  context: RoleContext
  chain: ChainInfo
  held: Held
}

async function brokenBy(head: RpcBlock, { task, context, chain, held }: Asked): Promise<string | undefined> {
  const { memory, limits } = context
  const [account, halt] = await Promise.all([
    readAccountOf(memory, keys.account(held.chainId, held.address)),
    readHalt(memory),
  ])
  const feePerGasWei = BigInt(head.baseFeePerGas ?? '0x0') + PRIORITY_FEE_WEI
  const at = { number: Number(head.number), timestamp: Number(head.timestamp), feePerGasWei }
  return limitBroken({ verdict: task.input, limits, chain, head: at, nowMs: Date.now(), account, under: halt.at })
}

async function reserveLoan({ task, context, chain, held }: Asked): Promise<string | undefined> {
  const { token, sizeRaw } = task.input.tx.plan
  const exposure = exposureOf(context.limits, chain, token)
  if (!exposure) return `limit tokens: ${token} is not one that may be borrowed`
  const loan = { id: `${task.opportunityId}/${task.attempt}`, inputRaw: sizeRaw }
  return reserve(context.memory, keys.spending(held.chainId, held.address, token), loan, exposure)
}

function intentOf({ opportunityId, attempt, input }: StageTask<'execute'>, context: RoleContext): Intent {
  const { plan, to } = input.tx
  const { token, expectedProfitRaw, expectedProfitWei, chainInstance } = plan
  return {
    opportunityId,
    attempt,
    chainInstance,
    agent: context.id,
    state: 'intended',
    outcome: null,
    reason: null,
    from: null,
    fence: null,
    nonce: null,
    signed: [],
    terms: { token, contract: to, predictedWei: input.predictedWei, expectedProfitRaw, expectedProfitWei },
    deadlineBlock: input.deadlineBlock,
    execution: null,
    blockHash: null,
    corrected: null,
    at: now(),
  }
}

const executionStatus: RoleTool = {
  name: 'execution_status',
  description: 'What was decided about one attempt of a trade, what was signed for it, and what became of it.',
  input: z.object({ opportunityId: HashSchema, attempt: z.int().min(1).default(1) }),
  async run(input, { memory }) {
    const { opportunityId, attempt } = input as { opportunityId: `0x${string}`; attempt: number }
    const found = await readIntent(memory, opportunityId, attempt)
    if (!found) return { intent: null }
    const signed = found.intent.signed.map(({ raw: _bytes, ...tx }) => tx)
    return { intent: { ...found.intent, signed } }
  },
}

const noKey = (): FleetError =>
  new FleetError('agent_unreachable', 'this executor holds no key just now', {
    remedy: 'Nothing: another executor takes the task, or this one once its key is free.',
    transient: true,
  })
