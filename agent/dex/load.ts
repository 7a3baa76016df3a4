import { id } from 'ethers'
import type { PoolInfo } from '../../src/protocol/chain.ts'
import { FleetError, unreachable } from '../../src/protocol/errors.ts'
import type { PoolState } from '../../src/protocol/trade.ts'
import { type Address, type Hex, raw, sqrtPriceX96 } from '../../src/protocol/units.ts'
import { signedWord, word } from './chain-types.ts'
import { askMany } from './lens.ts'
import type { Tracked } from './logs.ts'
import type { Rpc } from './rpc.ts'
import { MAX_TICK, MIN_TICK } from './v3/tick-math.ts'
import type { TickMap } from './v3/ticks.ts'

const selector = (signature: string): string => id(signature).slice(0, 10)
const GET_RESERVES = selector('getReserves()')
const SLOT0 = selector('slot0()')
const LIQUIDITY = selector('liquidity()')
const TICK_BITMAP = selector('tickBitmap(int16)')
const TICKS = selector('ticks(int24)')

const DEFAULT_SPACING: Readonly<Record<number, number>> = { 100: 1, 500: 10, 3000: 60, 10000: 200 }

/**
 * Reads the state of pools at one block. A pair costs one call, a pool four.
 * @param blockHash pins every call; a node that has pruned or dropped that block answers with an RpcError
 */
export async function loadPools(rpc: Rpc, pools: readonly PoolInfo[], blockHash: Hex): Promise<PoolState[]> {
  return (await loadTracked(rpc, pools, blockHash)).map((tracked) => tracked.pool)
}

/** `loadPools` with the gross liquidity of every tick, so that logs can be applied on top. */
export function loadTracked(rpc: Rpc, pools: readonly PoolInfo[], blockHash: Hex): Promise<Tracked[]> {
  return Promise.all(
    pools.map((pool) => {
      switch (pool.kind) {
        case 'v2':
          return loadV2({ rpc, blockHash }, pool)
        case 'v3':
          return loadV3({ rpc, blockHash }, pool)
        default:
          return unreachable(pool.kind)
      }
    }),
  )
}

interface At {
  rpc: Rpc
  blockHash: Hex
}

/** Asks the pool; the answer has at least `words` ABI words. */
async function ask({ rpc, blockHash }: At, pool: PoolInfo, data: string, words: number): Promise<Hex> {
  const answer = await rpc.request<Hex>('eth_call', [{ to: pool.address, data }, { blockHash }])
  if (answer.length < 2 + 64 * words) throw notAPool(pool.address, pool.kind)
  return answer
}

const staticPart = ({ address, dex, token0, token1, feePips }: PoolInfo) => ({ address, dex, token0, token1, feePips })

async function loadV2(at: At, info: PoolInfo): Promise<Tracked> {
  const reserves = await ask(at, info, GET_RESERVES, 3)
  const pool: PoolState = {
    kind: 'v2',
    ...staticPart(info),
    reserve0: raw(word(reserves, 0)),
    reserve1: raw(word(reserves, 1)),
  }
  return { pool, gross: {} }
}

async function loadV3(at: At, info: PoolInfo): Promise<Tracked> {
  const tickSpacing = spacingOf(info)
  const [slot0, liquidity] = await Promise.all([ask(at, info, SLOT0, 7), ask(at, info, LIQUIDITY, 1)])
  const initialised = await loadInitialised(at, info.address, tickSpacing)
  const question = { target: info.address, selector: TICKS, words: 2 }
  const answers = await askMany(at.rpc, at.blockHash, question, initialised)
  const ticks: TickMap = {}
  const gross: TickMap = {}
  for (const [index, tick] of initialised.entries()) {
    gross[tick] = word(answers[index] as Hex, 0)
    ticks[tick] = signedWord(answers[index] as Hex, 1)
  }
  const pool: PoolState = {
    kind: 'v3',
    ...staticPart(info),
    tickSpacing,
    sqrtPriceX96: sqrtPriceX96(word(slot0, 0)),
    tick: Number(signedWord(slot0, 1)),
    liquidity: word(liquidity, 0),
    ticks,
  }
  return { pool, gross }
}

/** Every initialised tick of the whole price range, ascending. */
async function loadInitialised({ rpc, blockHash }: At, pool: Address, spacing: number): Promise<number[]> {
  const first = Math.floor(MIN_TICK / spacing) >> 8
  const last = Math.floor(MAX_TICK / spacing) >> 8
  const positions = Array.from({ length: last - first + 1 }, (_, at) => first + at)
  const question = { target: pool, selector: TICK_BITMAP, words: 1 }
  const bitmaps = await askMany(rpc, blockHash, question, positions)
  return bitmaps.flatMap((bitmap, at) => {
    const bits = word(bitmap, 0)
    if (bits === 0n) return []
    const offsets = Array.from({ length: 256 }, (_, bit) => bit).filter((bit) => (bits >> BigInt(bit)) & 1n)
    return offsets.map((bit) => ((first + at) * 256 + bit) * spacing)
  })
}

function spacingOf(info: PoolInfo): number {
  const spacing = info.tickSpacing ?? DEFAULT_SPACING[info.feePips]
  if (spacing !== undefined) return spacing
  throw new FleetError(
    'config_invalid',
    `pool ${info.address} has no tickSpacing and its fee tier is not a usual one`,
    {
      remedy: 'Give the pool its tickSpacing.',
    },
  )
}

const notAPool = (address: Address, kind: string): FleetError =>
  new FleetError('config_invalid', `there is no ${kind} pool at ${address} on this chain`, {
    remedy: 'Check the address, and that --chain names the chain that was meant.',
  })
