import { keccak256 } from 'ethers'
import type { Hop, Verdict } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { priceBefore } from '../pools/adverse.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'
import { decodeProfit } from './build.ts'
import { decodeRevert } from './revert.ts'
import { mergedOverrides, type SimulatedCall, type Simulation, simulateExecute, simulateInOrder } from './simulate.ts'
import { ASSUMED_BPS, VOLATILITY_BLOCKS, type Volatility, volatilityOf } from './volatility.ts'

type Outcome = Verdict['adverse'][number]

/**
 * What becomes of a transaction when the market is against it: every pool of its route has moved as far as pools moved in
 * the last blocks, and when a rival takes the same cycle just before it in the same block. Both are run, on the bytes that
 * are to be signed. With the prediction as its floor a trade that is worse off reverts: that is what should be seen here.
 *
 * @param call of an ArbExecutor, as it is simulated at its head
 * @throws as `simulateExecute`
 */
export async function adverseOutcomes(rpc: Rpc, hops: readonly Hop[], call: SimulatedCall): Promise<Outcome[]> {
  const [moved, rival] = await Promise.all([pricesMoved(rpc, hops, call), rivalInFront(rpc, call)])
  return rival === undefined ? [moved] : [moved, rival]
}

async function pricesMoved(rpc: Rpc, hops: readonly Hop[], call: SimulatedCall): Promise<Outcome> {
  const [moves, prices] = await Promise.all([
    volatilityOrAssumed(rpc, hops, call.head),
    Promise.all(hops.map((hop) => priceBefore(rpc, hop, call.head))),
  ])
  const states = prices.map((price, at) => price.movedBy(moves[at]?.bps ?? ASSUMED_BPS))
  const overrides = mergedOverrides(call.overrides ?? {}, ...states.map((state) => state.overrides))
  const simulation = await simulateExecute(rpc, { ...call, overrides })
  return outcomeOf(`every pool moved against us, ${movesInWords(moves)}`, simulation)
}

async function volatilityOrAssumed(
  rpc: Rpc,
  hops: readonly Hop[],
  head: SimulatedCall['head'],
): Promise<readonly Volatility[]> {
  try {
    return await volatilityOf(rpc, hops, head)
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    return hops.map(({ pool }) => ({ pool, bps: ASSUMED_BPS, measured: false }))
  }
}

function movesInWords(moves: readonly Volatility[]): string {
  const each = moves.map(({ bps, measured }) => (measured ? `${bps}` : `${bps} (assumed)`)).join(', ')
  return `as pools did in the last ${VOLATILITY_BLOCKS} blocks: ${each} bps`
}

/** The same call under another opportunity's id, which pays its sender the same, and ours behind it. */
async function rivalInFront(rpc: Rpc, call: SimulatedCall): Promise<Outcome | undefined> {
  const rival = { ...call, data: underAnotherId(call.data) }
  const simulations = await simulateInOrder(rpc, [rival, call])
  const [theirs, ours] = simulations ?? []
  if (!theirs || !ours) return undefined
  const scenario = theirs.ok
    ? 'a rival takes the same cycle first in the block'
    : `a rival tries the same cycle first in the block, and fails: ${decodeRevert(theirs.revertData)}`
  return outcomeOf(scenario, ours)
}

/** The first argument of `execute` is the opportunity's id. */
function underAnotherId(data: Hex): Hex {
  const id: Hex = `0x${data.slice(10, 74)}`
  return `${data.slice(0, 10)}${keccak256(id).slice(2)}${data.slice(74)}` as Hex
}

function outcomeOf(scenario: string, simulation: Simulation): Outcome {
  if (simulation.ok) return { scenario, outcome: 'profit', profitRaw: decodeProfit(simulation.returnData) }
  return { scenario, outcome: 'reverts', profitRaw: null, reason: decodeRevert(simulation.revertData) }
}
