import { FleetError } from '../../src/protocol/errors.ts'
import type { BuiltTx, Verdict } from '../../src/protocol/trade.ts'
import { type Address, gasUnits, type Hex, raw, wei } from '../../src/protocol/units.ts'
import { adverseStates } from '../dex/adverse.ts'
import { decodeProfit, withDeadline, withFloor } from '../dex/build.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import { decodeRevert } from '../dex/revert.ts'
import { RpcError } from '../dex/rpc/error.ts'
import type { Rpc } from '../dex/rpc.ts'
import { readHead } from '../dex/send.ts'
import { type Simulation, type StateOverrides, simulateExecute } from '../dex/simulate.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { inNative } from './chain-reads.ts'
import { anySigner } from './signer.ts'

/** How far the first pool's price is moved against the trade, in the states that are only recorded. */
const ADVERSE_BPS = [10, 100]

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
  const from = await anySigner(context.memory, chain.chainId)
  try {
    const verdict = await judge({ rpc, head, from, weth: chain.weth }, task.input)
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
  weth: Address | null
}

/**
 * Simulates the call as the first of the next block, with that block as its deadline. What it keeps becomes its floor,
 * and those last bytes are simulated once more: so what is signed pays what was predicted, or reverts.
 */
async function judge(bench: Bench, built: BuiltTx): Promise<Verdict> {
  const validatedBlock = Number(bench.head.number)
  const deadlineBlock = validatedBlock + 1
  const closed = withDeadline(built.data, deadlineBlock)
  const first = await simulate(bench, built, closed)
  const predictedRaw = first.ok ? decodeProfit(first.returnData) : raw(0n)
  const data = first.ok ? withFloor(closed, predictedRaw) : closed
  const last = first.ok ? await simulate(bench, built, data) : first
  const tx = { ...built, data, deadlineBlock }
  const gasUsed = last.gasUsed ?? built.gasLimit
  const reason = fault(first, last)
  const verdict = { tx, validatedBlock, deadlineBlock, gasUsed: gasUnits(gasUsed) }
  if (reason !== null) {
    return { ...verdict, pass: false, predictedRaw: raw(0n), predictedWei: wei(0n), adverse: [], reason }
  }
  const predictedWei = inNative(predictedRaw, built.plan.token, bench.weth)
  const adverse = await adversity(bench, built, data)
  return { ...verdict, pass: true, predictedRaw, predictedWei, adverse, reason: null }
}

function fault(first: Simulation, last: Simulation): string | null {
  const failed = first.ok ? last : first
  if (!failed.ok) return decodeRevert(failed.revertData)
  if (first.ok && last.ok && first.returnData !== last.returnData) return 'two simulations of one block do not agree'
  return null
}

const simulate = (bench: Bench, built: BuiltTx, data: Hex, overrides?: StateOverrides): Promise<Simulation> =>
  simulateExecute(bench.rpc, {
    from: bench.from,
    to: built.to,
    data,
    gasLimit: built.gasLimit,
    head: bench.head,
    ...(overrides && { overrides }),
  })

async function adversity(bench: Bench, built: BuiltTx, data: Hex): Promise<Verdict['adverse']> {
  const [first] = built.plan.hops
  if (!first)
    throw new FleetError('malformed', 'the plan has no hops', { remedy: 'Report it: a plan has two or more.' })
  const states = await adverseStates(bench.rpc, first, bench.head, ADVERSE_BPS)
  return Promise.all(
    states.map(async ({ scenario, overrides }) => {
      const simulation = await simulate(bench, built, data, overrides)
      return simulation.ok
        ? { scenario, outcome: 'profit' as const, profitRaw: decodeProfit(simulation.returnData) }
        : { scenario, outcome: 'reverts' as const, profitRaw: null }
    }),
  )
}
