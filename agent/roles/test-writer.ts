import type { ChainInfo } from '../../src/protocol/chain.ts'
import type { BuiltTx, Verdict } from '../../src/protocol/trade.ts'
import { type Address, gasUnits, type Hex, raw, wei } from '../../src/protocol/units.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import { RpcError } from '../dex/rpc/error.ts'
import type { Rpc } from '../dex/rpc.ts'
import { adverseOutcomes } from '../dex/trade/adverse-scenarios.ts'
import { decodeProfit, withDeadline, withFloor } from '../dex/trade/build.ts'
import { rehearsalOverrides } from '../dex/trade/rehearsal.ts'
import { decodeRevert } from '../dex/trade/revert.ts'
import { readHead } from '../dex/trade/send.ts'
import { type SimulatedCall, type Simulation, type StateOverrides, simulateExecute } from '../dex/trade/simulate.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { inNative } from './chain-reads.ts'
import { anySigner } from './sending/signer.ts'

/** Whom a dry run without keys is simulated for. */
const REHEARSAL_SENDER: Address = '0x00000000000000000000000000000000a6bdec04'

export function testWriter(): Role {
  return {
    name: 'test_writer',
    stage: {
      stage: 'validate',
      tool: {
        name: 'validate_transaction',
        description: 'Closes the deadline of a built transaction and simulates exactly those bytes at the head.',
      },
      run: validate,
    },
    tools: [],
  }
}

async function validate(task: StageTask<'validate'>, context: RoleContext): Promise<StageResult<'validate'>> {
  const rpc = await context.rpc()
  const chain = await context.chain()
  const head = await readHead(rpc)
  const block = Number(head.number)
  if (block > task.expiresBlock) return { outcome: 'expired', reason: `block ${block} is past ${task.expiresBlock}` }
  const { from, overrides } = await sender(context, chain, task.input.plan.token)
  try {
    const verdict = await judge({ rpc, head, from, overrides }, task.input)
    return verdict.pass
      ? { outcome: 'ok', output: verdict }
      : { outcome: 'failed', reason: verdict.reason ?? 'the simulation did not pass', output: verdict }
  } catch (thrown) {
    if (thrown instanceof RpcError) return { outcome: 'stale', reason: `block ${block}: ${thrown.message}` }
    throw thrown
  }
}

interface Bench {
  rpc: Rpc
  head: RpcBlock
  from: Address
  /** What is assumed beside the head's state; nothing for what will be signed. */
  overrides: StateOverrides
}

/** Who would send it. Where nothing is ever sent (a dry run) anybody may, and our contract need not be there. */
async function sender(
  context: RoleContext,
  chain: ChainInfo,
  token: Address,
): Promise<Pick<Bench, 'from' | 'overrides'>> {
  if (context.live) return { from: await anySigner(context.memory, chain.chainId), overrides: {} }
  const from = await anySigner(context.memory, chain.chainId).catch(() => REHEARSAL_SENDER)
  return { from, overrides: rehearsalOverrides(chain, from, token) }
}

/**
 * Simulates the call as the first of the next block, with that block as its deadline, and with what it keeps as its
 * floor: so what is signed pays what was predicted, or reverts.
 */
async function judge(bench: Bench, built: BuiltTx): Promise<Verdict> {
  const validatedBlock = Number(bench.head.number)
  const deadlineBlock = validatedBlock + 1
  const closed = withDeadline(built.data, deadlineBlock)
  const planned = built.plan.block === validatedBlock ? await asPlanned(bench, built, closed) : undefined
  const { call, first, last, adverse } = planned ?? (await asSimulated(bench, built, closed))
  const predictedRaw = first.ok ? decodeProfit(first.returnData) : raw(0n)
  const tx = { ...built, data: call.data, deadlineBlock }
  const gasUsed = last.gasUsed ?? built.gasLimit
  const reason = fault(first, last)
  const verdict = { tx, validatedBlock, deadlineBlock, gasUsed: gasUnits(gasUsed) }
  if (reason !== null) {
    return { ...verdict, pass: false, predictedRaw: raw(0n), predictedWei: wei(0n), adverse: [], reason }
  }
  return {
    ...verdict,
    pass: true,
    predictedRaw,
    predictedWei: inNative(predictedRaw, built.plan),
    adverse,
    reason: null,
  }
}

/** Bytes that were simulated (`last`), and what the call keeps according to `first`. */
interface Simulated {
  call: SimulatedCall
  first: Simulation
  last: Simulation
  adverse: Verdict['adverse']
}

/** The plan's figures are of this very block, and exact: one simulation shows it. Undefined when it does not. */
async function asPlanned(bench: Bench, built: BuiltTx, closed: Hex): Promise<Simulated | undefined> {
  const { hops, expectedProfitRaw } = built.plan
  const call = callOf(bench, built, withFloor(closed, expectedProfitRaw))
  const [last, adverse] = await Promise.all([simulateExecute(bench.rpc, call), adverseOutcomes(bench.rpc, hops, call)])
  if (!last.ok || decodeProfit(last.returnData) !== expectedProfitRaw) return undefined
  return { call, first: last, last, adverse }
}

/** What it keeps is simulated with the plan's floor; with that as the floor the bytes are simulated once more. */
async function asSimulated(bench: Bench, built: BuiltTx, closed: Hex): Promise<Simulated> {
  const first = await simulateExecute(bench.rpc, callOf(bench, built, closed))
  if (!first.ok) return { call: callOf(bench, built, closed), first, last: first, adverse: [] }
  const call = callOf(bench, built, withFloor(closed, decodeProfit(first.returnData)))
  const [last, adverse] = await Promise.all([
    simulateExecute(bench.rpc, call),
    adverseOutcomes(bench.rpc, built.plan.hops, call),
  ])
  return { call, first, last, adverse }
}

const callOf = ({ from, head, overrides }: Bench, { to, gasLimit }: BuiltTx, data: Hex): SimulatedCall => ({
  ...{ from, to, data, gasLimit, head, overrides },
})

function fault(first: Simulation, last: Simulation): string | null {
  const failed = first.ok ? last : first
  if (!failed.ok) return decodeRevert(failed.revertData)
  if (first.ok && last.ok && first.returnData !== last.returnData) return 'two simulations of one block do not agree'
  return null
}
