import { id } from 'ethers'
import type { PoolState, V2Pool, V3Pool } from '../../src/protocol/trade.ts'
import { type Hex, raw, sqrtPriceX96 } from '../../src/protocol/units.ts'
import { type RpcLog, signedWord, word } from './chain-types.ts'
import type { TickMap } from './v3/ticks.ts'

/** Hashed once: ethers' own parser hashes every signature for every log. */
const SYNC = id('Sync(uint112,uint112)')
const SWAP = id('Swap(address,address,int256,int256,uint160,uint128,int24)')
const MINT = id('Mint(address,address,int24,int24,uint128,uint256,uint256)')
const BURN = id('Burn(address,int24,int24,uint128,uint256,uint256)')
const INITIALIZE = id('Initialize(uint160,int24)')

/** First topics of all logs that change a pool's state. */
export const STATE_TOPICS = [SYNC, SWAP, MINT, BURN, INITIALIZE] as readonly Hex[]

/** A pool with what its state does not say but its next Burn needs: the liquidity that references each tick. */
export interface Tracked {
  pool: PoolState
  /** Only v3: initialised tick to its liquidityGross, above 0. */
  gross: TickMap
}

/** The pool after a log of its own; logs that change nothing, Collect for one, give the same object. */
export function applyLog(tracked: Tracked, log: RpcLog): Tracked {
  const { pool } = tracked
  if (pool.kind === 'v2') return log.topics[0] === SYNC ? { ...tracked, pool: afterSync(pool, log) } : tracked
  switch (log.topics[0]) {
    case SWAP:
      return { ...tracked, pool: afterSwap(pool, log) }
    case INITIALIZE:
      return { ...tracked, pool: afterInitialize(pool, log) }
    case MINT:
      return afterLiquidity(pool, tracked.gross, log, word(log.data, 1))
    case BURN:
      return afterLiquidity(pool, tracked.gross, log, -word(log.data, 0))
    default:
      return tracked
  }
}

const afterSync = (pool: V2Pool, { data }: RpcLog): V2Pool => ({
  ...pool,
  reserve0: raw(word(data, 0)),
  reserve1: raw(word(data, 1)),
})

const afterSwap = (pool: V3Pool, { data }: RpcLog): V3Pool => ({
  ...pool,
  sqrtPriceX96: sqrtPriceX96(word(data, 2)),
  liquidity: word(data, 3),
  tick: Number(signedWord(data, 4)),
})

const afterInitialize = (pool: V3Pool, { data }: RpcLog): V3Pool => ({
  ...pool,
  sqrtPriceX96: sqrtPriceX96(word(data, 0)),
  tick: Number(signedWord(data, 1)),
})

/** A position between two ticks grew by `amount` (Burn: negative; 0 changes nothing). */
function afterLiquidity(pool: V3Pool, gross: TickMap, log: RpcLog, amount: bigint): Tracked {
  if (amount === 0n) return { pool, gross }
  const lower = Number(signedWord(log.topics[2] as Hex, 0))
  const upper = Number(signedWord(log.topics[3] as Hex, 0))
  const nextGross = { ...gross }
  const ticks = { ...pool.ticks }
  for (const [tick, net] of [[lower, amount] as const, [upper, -amount] as const]) {
    const references = (nextGross[tick] ?? 0n) + amount
    if (references === 0n) {
      delete nextGross[tick]
      delete ticks[tick]
    } else {
      nextGross[tick] = references
      ticks[tick] = (ticks[tick] ?? 0n) + net
    }
  }
  const active = lower <= pool.tick && pool.tick < upper
  return { pool: { ...pool, ticks, liquidity: pool.liquidity + (active ? amount : 0n) }, gross: nextGross }
}
