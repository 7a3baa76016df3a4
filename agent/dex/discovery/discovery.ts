import type { PoolFactory, PoolInfo, TokenInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Address, Hex, Wei } from '../../../src/protocol/units.ts'
import { type RpcBlock, toHex } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'
import { allPairs } from './all-pairs.ts'
import { depthsOf, holding } from './depth.ts'
import { type FactoryQuestion, poolsMade } from './factory-logs.ts'
import { tokenFacts } from './token-facts.ts'

/** Which pools are wanted. */
export interface PoolSource {
  factories: readonly PoolFactory[]
  /** Tokens that depth is measured in, the wrapped native token first. */
  bases: readonly Address[]
  /** Where given, both tokens of a pool must be of these. */
  allowTokens?: readonly Address[] | undefined
  /**
   * What a pool must hold of a base token, in native units; 0 takes all. A pool of no base token cannot be measured: it is
   * taken where the allow list names both its tokens and it holds anything, and left out where there is no list.
   */
  minDepthWei: Wei
}

export interface DiscoveryQuestion extends PoolSource {
  /** Ends included; a factory is looked at from its own `fromBlock` on. */
  fromBlock: number
  toBlock: number
  onProgress?: (done: { blocks: number; ofBlocks: number; pools: number }) => void
}

export interface Discovered {
  pools: PoolInfo[]
  /** Of these pools. */
  tokens: TokenInfo[]
}

/**
 * The pools that factories made, by their logs, filtered as the source says. Depth, symbols and decimals are those of
 * `toBlock`. A V2 factory whose logs the node does not give is asked for its own list.
 * @throws FleetError `chain_refused` when the node gives no logs of a V3 or V4 factory, `state_stale` without that block
 */
export async function discoverPools(rpc: Rpc, question: DiscoveryQuestion): Promise<Discovered> {
  const blockHash = await hashOf(rpc, question.toBlock)
  const pools: PoolInfo[] = []
  const starts = question.factories.map((factory) => Math.max(question.fromBlock, factory.fromBlock))
  const ofBlocks = starts.reduce((sum, start) => sum + Math.max(0, question.toBlock - start + 1), 0)
  let blocks = 0
  const scanned = (more: number): void => {
    blocks += more
    question.onProgress?.({ blocks, ofBlocks, pools: pools.length })
  }
  for (const factory of question.factories) {
    pools.push(...(await madeBy(rpc, { ...question, scanned }, factory, blockHash)))
    scanned(0)
  }
  const wanted = await chosen(rpc, pools, question, blockHash)
  const tokens = [...new Set(wanted.flatMap(({ token0, token1 }) => [token0, token1]))]
  return { pools: wanted, tokens: await tokenFacts(rpc, tokens, blockHash) }
}

async function madeBy(
  rpc: Rpc,
  question: Omit<FactoryQuestion, 'factories'>,
  factory: PoolFactory,
  blockHash: Hex,
): Promise<PoolInfo[]> {
  try {
    return await poolsMade(rpc, { ...question, factories: [factory] })
  } catch (thrown) {
    const refused = thrown instanceof FleetError && thrown.code === 'chain_refused'
    if (!refused || factory.kind !== 'v2') throw thrown
    return allPairs(rpc, factory, blockHash)
  }
}

/**
 * Those of some pools that a source wants, by the allow list and by their depth at a block.
 * @param known further pools of the chain, by which base tokens are priced too
 */
export async function chosen(
  rpc: Rpc,
  pools: readonly PoolInfo[],
  { allowTokens, bases, minDepthWei }: PoolSource,
  blockHash: Hex,
  known: readonly PoolInfo[] = [],
): Promise<PoolInfo[]> {
  const allowed = allowTokens && new Set(allowTokens)
  const listed = pools.filter(
    ({ token0, token1 }) => allowed === undefined || (allowed.has(token0) && allowed.has(token1)),
  )
  if (minDepthWei <= 0n) return listed
  const measurable = ({ token0, token1 }: PoolInfo) => bases.includes(token0) || bases.includes(token1)
  const measured = listed.filter(measurable)
  const others = allowed ? listed.filter((pool) => !measurable(pool)) : []
  const [depths, held] = await Promise.all([
    depthsOf(rpc, measured, { bases, pricedBy: [...known, ...measured] }, blockHash),
    holding(rpc, others, blockHash),
  ])
  const deep = measured.filter((_, at) => (depths[at] ?? -1n) >= minDepthWei)
  const wanted = new Set([...deep, ...others.filter((_, at) => held[at])])
  return listed.filter((pool) => wanted.has(pool))
}

async function hashOf(rpc: Rpc, block: number): Promise<Hex> {
  const header = await rpc.request<RpcBlock | null>('eth_getBlockByNumber', [toHex(block), false])
  if (header) return header.hash
  throw new FleetError('state_stale', `the node does not have block ${block}`, {
    remedy: 'Nothing: it is looked at again with the newest head.',
    transient: true,
  })
}
