import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { word } from '../chain-types.ts'
import type { ReadAt } from './kind.ts'
import { askAll, inTurn, type Question } from './lens.ts'
import { notAPool, spacingOf } from './reading.ts'
import { MAX_TICK, MIN_TICK } from './v3-math/tick-math.ts'
import type { TickMap } from './v3-math/ticks.ts'

/** How a kind's ticks are asked for. */
export interface TickReader {
  /** A view whose first word is the bitmap word. */
  bitmap(pool: PoolInfo, position: number): Question
  tick(pool: PoolInfo, tick: number): Question
  /** Words of a tick's answer. */
  tickWords: number
  decode(answer: Hex): { gross: bigint; net: bigint }
}

export interface Ticks {
  /** Initialised tick to its liquidityNet. */
  ticks: TickMap
  /** To its liquidityGross. */
  gross: TickMap
}

/** Pools whose ticks are read together, and how many such groups at once: bounds memory and the node's load. */
const GROUP = 16
const GROUPS_AT_ONCE = 2

/** Works through pools in groups, a few at a time, telling how many are done. @returns in the order of `pools` */
export async function inGroups<T>(
  pools: readonly PoolInfo[],
  loaded: (count: number) => void,
  load: (group: readonly PoolInfo[]) => Promise<readonly T[]>,
): Promise<T[]> {
  const groups = Array.from({ length: Math.ceil(pools.length / GROUP) }, (_, at) =>
    pools.slice(at * GROUP, (at + 1) * GROUP),
  )
  const done = await inTurn(groups, GROUPS_AT_ONCE, async (group) => {
    const states = await load(group)
    loaded(group.length)
    return states
  })
  return done.flat()
}

/** Every initialised tick of the whole price range of each pool: the bitmap first, then the ticks that it names. */
export async function loadTicks(at: ReadAt, pools: readonly PoolInfo[], reader: TickReader): Promise<Ticks[]> {
  const words = pools.flatMap((pool) => positionsOf(spacingOf(pool)).map((position) => ({ pool, position })))
  const bitmaps = await askAll(
    at,
    words.map(({ pool, position }) => reader.bitmap(pool, position)),
    1,
  )
  const initialised = words.flatMap(({ pool, position }, index) => {
    const bitmap = bitmaps[index]
    if (!bitmap) throw notAPool(pool)
    return setBits(word(bitmap, 0)).map((bit) => ({ pool, tick: (position * 256 + bit) * spacingOf(pool) }))
  })
  const questions = initialised.map(({ pool, tick }) => reader.tick(pool, tick))
  const answers = await askAll(at, questions, reader.tickWords)
  const found = new Map<PoolInfo, Ticks>(pools.map((pool) => [pool, { ticks: {}, gross: {} }]))
  for (const [index, { pool, tick }] of initialised.entries()) {
    const answer = answers[index]
    const of = found.get(pool)
    if (!answer || !of) throw notAPool(pool)
    const { gross, net } = reader.decode(answer)
    of.ticks[tick] = net
    of.gross[tick] = gross
  }
  return pools.map((pool) => found.get(pool) as Ticks)
}

/** Positions of all bitmap words of the price range, ascending. */
function positionsOf(spacing: number): number[] {
  const first = Math.floor(MIN_TICK / spacing) >> 8
  const last = Math.floor(MAX_TICK / spacing) >> 8
  return Array.from({ length: last - first + 1 }, (_, at) => first + at)
}

function setBits(bits: bigint): number[] {
  const set: number[] = []
  for (let left = bits, bit = 0; left > 0n; left >>= 1n, bit++) {
    if (left & 1n) set.push(bit)
  }
  return set
}
