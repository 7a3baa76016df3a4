import { id } from 'ethers'
import type { Hop, PoolId } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { type RpcBlock, type RpcLog, toHex, word } from '../chain-types.ts'
import { contractOf, poolKind, refOfHop } from '../pools/table.ts'
import type { Rpc } from '../rpc.ts'

/** How many blocks are looked back on. */
export const VOLATILITY_BLOCKS = 16
/** What is taken for a pool that did not trade in two of them. */
export const ASSUMED_BPS = 10

const MOST_BPS = 9_999
const SYNC = id('Sync(uint112,uint112)')
const SWAPS = [
  id('Swap(address,address,int256,int256,uint160,uint128,int24)'),
  id('Swap(bytes32,address,int128,int128,uint160,uint128,int24,uint24)'),
]

/** How far a pool's price moves from one of its blocks to the next. */
export interface Volatility {
  pool: PoolId
  /** 1 to 9,999. */
  bps: number
  /** False: it hardly traded, and ASSUMED_BPS is taken. */
  measured: boolean
}

/**
 * How far the price of each pool of a route moves between the blocks in which it trades: the root mean square of the last
 * blocks' moves, rounded up to whole basis points. Asks once, for logs; in doubles.
 * @throws RpcError when the node has no logs of those blocks
 */
export async function volatilityOf(
  rpc: Rpc,
  hops: readonly Pick<Hop, 'pool' | 'kind' | 'v4'>[],
  head: Pick<RpcBlock, 'number'>,
): Promise<Volatility[]> {
  const to = Number(head.number)
  const filter = {
    address: [...new Set(hops.map((hop) => contractOf(refOfHop(hop))))],
    topics: [[SYNC, ...SWAPS]],
    fromBlock: toHex(Math.max(0, to - VOLATILITY_BLOCKS + 1)),
    toBlock: toHex(to),
  }
  const logs = await rpc.request<RpcLog[]>('eth_getLogs', [filter])
  return hops.map((hop) => {
    const kind = poolKind(hop.kind)
    const own = logs.filter((log) => kind.topics.includes(log.topics[0] as Hex) && kind.poolIdOf(log) === hop.pool)
    const bps = moveBps(lastPrices(own))
    return { pool: hop.pool, bps: bps ?? ASSUMED_BPS, measured: bps !== undefined }
  })
}

/** The last price of each block, oldest block first; logs come in order. */
function lastPrices(logs: readonly RpcLog[]): number[] {
  return [...new Map(logs.map((log) => [log.blockNumber, priceOf(log)])).values()].filter((price) => price > 0)
}

/** Of token0 in token1, or a constant multiple of it. */
function priceOf({ topics, data }: RpcLog): number {
  if (topics[0] === SYNC) return Number(word(data, 1)) / Number(word(data, 0))
  return (Number(word(data, 2)) / 2 ** 96) ** 2
}

function moveBps(prices: readonly number[]): number | undefined {
  if (prices.length < 2) return undefined
  const squares = prices.slice(1).map((price, at) => Math.log(price / (prices[at] as number)) ** 2)
  const mean = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length)
  return Math.min(MOST_BPS, Math.max(1, Math.ceil(mean * 1e4)))
}
