import type { PoolFactory, PoolInfo } from '../../../src/protocol/chain.ts'
import { asFleetError, FleetError, unreachable } from '../../../src/protocol/errors.ts'
import { type Address, address, type Hex } from '../../../src/protocol/units.ts'
import { abiWord, type RpcLog, signedWord, toHex, word } from '../chain-types.ts'
import { topic } from '../pools/reading.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'

const CREATED: Readonly<Record<PoolFactory['kind'], Hex>> = {
  v2: topic('PairCreated(address,address,address,uint256)'),
  v3: topic('PoolCreated(address,address,uint24,int24,address)'),
  v4: topic('Initialize(bytes32,address,address,uint24,int24,address,uint160,int24)'),
}
const FIRST_CHUNK = 50_000
/** Failures in a row after which a node that does not answer is given up. */
const MOST_TIMEOUTS = 3

/** What some factories made in a range of blocks, ends included. */
export interface FactoryQuestion {
  factories: readonly PoolFactory[]
  fromBlock: number
  toBlock: number
  /** Only pools of two of these tokens. */
  allowTokens?: readonly Address[] | undefined
  /** Told how many blocks more were looked through. */
  scanned?: (blocks: number) => void
}

/**
 * The pools that factories made, by their logs, in their order: one request for all of them, so one pays for the range of
 * the oldest. A range that the node refuses, or is too slow for, is halved.
 * @throws FleetError `chain_refused` when it refuses a single block, `chain_unreachable`
 */
export async function poolsMade(rpc: Rpc, question: FactoryQuestion): Promise<PoolInfo[]> {
  const { factories, toBlock, scanned } = question
  const byAddress = new Map(factories.map((factory) => [factory.address, factory]))
  const pools: PoolInfo[] = []
  let from = Math.max(question.fromBlock, Math.min(...factories.map(({ fromBlock }) => fromBlock)))
  let [size, failures] = [FIRST_CHUNK, 0]
  while (from <= toBlock) {
    const to = Math.min(toBlock, from + size - 1)
    const logs = await createdLogs(rpc, question, from, to).catch((thrown: unknown) => {
      failures += 1
      const refusal = thrown instanceof RpcError
      if (refusal && to === from) throw refused(factories, from, thrown)
      if (!refusal && failures >= MOST_TIMEOUTS) throw thrown
    })
    if (logs) {
      for (const log of logs) {
        const factory = byAddress.get(log.address)
        if (factory) pools.push(...poolOf(factory, log))
      }
      scanned?.(to - from + 1)
      from = to + 1
      failures = 0
    }
    size = logs ? Math.min(FIRST_CHUNK, size * 2) : Math.max(1, Math.floor((to - from + 1) / 2))
  }
  return pools
}

function createdLogs(
  rpc: Rpc,
  { factories, allowTokens }: FactoryQuestion,
  from: number,
  to: number,
): Promise<RpcLog[]> {
  const tokens = allowTokens?.map((token): Hex => `0x${abiWord(BigInt(token))}`)
  const kinds = [...new Set(factories.map(({ kind }) => kind))]
  // The tokens stand elsewhere in V4's logs: together with others' they are told apart here.
  const [v4, mixed] = [kinds.includes('v4'), kinds.includes('v4') && kinds.length > 1]
  const between = tokens && !mixed ? [...(v4 ? [null] : []), tokens, tokens] : []
  const address = factories.map((factory) => factory.address)
  const filter = { address, fromBlock: toHex(from), toBlock: toHex(to) }
  return rpc.request<RpcLog[]>('eth_getLogs', [{ ...filter, topics: [kinds.map((kind) => CREATED[kind]), ...between] }])
}

/** None for what arbdeck does not trade through: V4 pools with hooks, with a fee that changes, or of the native token. */
function poolOf(
  { kind, dex, address: maker, feePips }: PoolFactory,
  { topics, data, blockNumber }: RpcLog,
): PoolInfo[] {
  const base = { kind, dex, createdBlock: Number(blockNumber) }
  const [, one, two, three] = topics as [Hex, Hex, Hex, Hex]
  switch (kind) {
    case 'v2': {
      const tokens = { token0: tokenOf(one), token1: tokenOf(two) }
      return [{ ...base, ...tokens, address: tokenOf(`0x${data.slice(2, 66)}`), feePips: feePips ?? 3_000 }]
    }
    case 'v3': {
      const tokens = { token0: tokenOf(one), token1: tokenOf(two) }
      const tickSpacing = Number(signedWord(data, 0))
      return [{ ...base, ...tokens, address: tokenOf(`0x${data.slice(66, 130)}`), feePips: Number(three), tickSpacing }]
    }
    case 'v4': {
      const fee = Number(word(data, 0))
      const plain = word(data, 2) === 0n && fee < 1_000_000 && BigInt(two) !== 0n
      const tokens = { token0: tokenOf(two), token1: tokenOf(three) }
      const tickSpacing = Number(signedWord(data, 1))
      return plain ? [{ ...base, ...tokens, address: one, manager: maker, feePips: fee, tickSpacing }] : []
    }
    default:
      return unreachable(kind)
  }
}

const tokenOf = (padded: Hex): Address => address(`0x${padded.slice(-40)}`)

const refused = (factories: readonly PoolFactory[], block: number, cause: unknown): FleetError =>
  new FleetError(
    'chain_refused',
    `the node does not give the logs of the factory of ${factories.map(({ dex }) => dex).join(', ')} at block ${block}: ${asFleetError(cause).message}`,
    { remedy: 'Use a node that keeps old logs, or name the pools in the chain profile.', cause },
  )
