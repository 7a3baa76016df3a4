import { type Address, type GasUnits, gasUnits, type Hex } from '../../../src/protocol/units.ts'
import { type RpcBlock, type RpcLog, toHex } from '../chain-types.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'

export { adverseStates } from '../pools/adverse.ts'

export interface SimulatedCall {
  from: Address
  to: Address
  data: Hex
  gasLimit: GasUnits
  /** The state it runs on; it sees the block number after it, as the next block would. */
  head: Pick<RpcBlock, 'number' | 'hash' | 'timestamp' | 'baseFeePerGas'>
  /** What is different from the head's state. */
  overrides?: StateOverrides
}

export type StateOverrides = Readonly<
  Record<Address, { balance?: Hex; code?: Hex; stateDiff?: Readonly<Record<Hex, Hex>> }>
>

/** All of several overrides; where two say something of the same word or field, the later one holds. */
export function mergedOverrides(...all: readonly StateOverrides[]): StateOverrides {
  const merged: Record<Address, StateOverrides[Address]> = {}
  for (const [at, override] of all.flatMap((each) => Object.entries(each) as [Address, StateOverrides[Address]][])) {
    const before = merged[at]
    const stateDiff = { ...before?.stateDiff, ...override.stateDiff }
    merged[at] = { ...before, ...override, stateDiff }
  }
  return merged
}

/** `gasUsed` and `logs` are null where the node can only eth_call. */
export type Simulation =
  | { ok: true; gasUsed: GasUnits | null; logs: readonly RpcLog[] | null; returnData: Hex }
  | { ok: false; gasUsed: GasUnits | null; revertData: Hex; message: string }

/**
 * Runs a transaction on the state of a block, without sending it: as the first of the next block (number head + 1).
 * Uses eth_simulateV1, and eth_call where the node has none.
 * @throws FleetError `chain_unreachable`, or RpcError when the node cannot simulate at that block (dropped, pruned)
 */
export async function simulateExecute(rpc: Rpc, call: SimulatedCall): Promise<Simulation> {
  try {
    return await simulateV1(rpc, call)
  } catch (error) {
    if (!(error instanceof RpcError) || !isUnknownMethod(error)) throw error
    return ethCall(rpc, call)
  }
}

/**
 * Runs transactions one after another in the next block, each on what the one before left.
 * @param calls of one head; only the first one's overrides count
 * @returns undefined where the node has no eth_simulateV1
 * @throws as `simulateExecute`
 */
export async function simulateInOrder(
  rpc: Rpc,
  calls: readonly [SimulatedCall, ...SimulatedCall[]],
): Promise<Simulation[] | undefined> {
  try {
    return await simulateV1s(rpc, calls)
  } catch (error) {
    if (!(error instanceof RpcError) || !isUnknownMethod(error)) throw error
    return undefined
  }
}

const isUnknownMethod = ({ code, message }: RpcError): boolean =>
  code === -32601 ||
  /method.*(not (found|supported|available)|does not exist)|data did not match any variant/i.test(message)

interface SimulatedResult {
  status: Hex
  gasUsed: Hex
  returnData: Hex
  logs: RpcLog[]
  error?: { message?: string; data?: Hex }
}

async function simulateV1(rpc: Rpc, call: SimulatedCall): Promise<Simulation> {
  return (await simulateV1s(rpc, [call]))[0] as Simulation
}

async function simulateV1s(rpc: Rpc, calls: readonly [SimulatedCall, ...SimulatedCall[]]): Promise<Simulation[]> {
  const [{ head, overrides }] = calls
  const block = {
    blockOverrides: nextBlock(head),
    ...(overrides ? { stateOverrides: overrides } : {}),
    calls: calls.map(callFields),
  }
  const request = { blockStateCalls: [block], validation: false, traceTransfers: false }
  const [[simulated]] = await Promise.all([
    rpc.request<{ calls: SimulatedResult[] }[]>('eth_simulateV1', [request, head.number]),
    stillThere(rpc, head),
  ])
  if (simulated?.calls.length === calls.length) return simulated.calls.map(simulationOf)
  throw new RpcError('eth_simulateV1', { message: 'the node answered without the call' })
}

function simulationOf(result: SimulatedResult): Simulation {
  const gasUsed = gasUnits(BigInt(result.gasUsed))
  if (result.status === '0x1') return { ok: true, gasUsed, logs: result.logs, returnData: result.returnData }
  const revertData = hexOr(result.returnData, result.error?.data)
  return { ok: false, gasUsed, revertData, message: result.error?.message ?? 'execution reverted' }
}

async function ethCall(rpc: Rpc, call: SimulatedCall): Promise<Simulation> {
  const params = [callFields(call), { blockHash: call.head.hash }, call.overrides ?? {}, nextBlock(call.head)]
  try {
    const returnData = await rpc.request<Hex>('eth_call', params)
    return { ok: true, gasUsed: null, logs: null, returnData }
  } catch (error) {
    if (!(error instanceof RpcError) || !isRevert(error)) throw error
    return { ok: false, gasUsed: null, revertData: hexOr(error.data, undefined), message: error.message }
  }
}

const isRevert = ({ code, message }: RpcError): boolean => code === 3 || /revert/i.test(message)

const hexOr = (first: unknown, second: unknown): Hex =>
  ([first, second].find((hex) => typeof hex === 'string' && hex.startsWith('0x') && hex.length > 2) as Hex) ?? '0x'

const callFields = ({ from, to, data, gasLimit }: SimulatedCall) => ({ from, to, data, gas: toHex(gasLimit) })

const nextBlock = (head: SimulatedCall['head']) => ({
  number: toHex(BigInt(head.number) + 1n),
  time: toHex(BigInt(head.timestamp) + 1n),
})

/** eth_simulateV1 takes a number in more nodes than a hash: what it says counts only while the number means that block. */
async function stillThere(rpc: Rpc, head: SimulatedCall['head']): Promise<void> {
  const now = await rpc.request<{ hash: Hex } | null>('eth_getBlockByNumber', [head.number, false])
  if (now?.hash === head.hash) return
  throw new RpcError('eth_simulateV1', { code: -32_000, message: `block ${head.hash} is no longer on the chain` })
}
