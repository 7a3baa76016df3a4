import type { V3Pool } from '../../../../src/protocol/trade.ts'
import { MAX_TICK, MIN_TICK } from './tick-math.ts'

export type TickMap = NonNullable<V3Pool['ticks']>

/** A pool state is never changed in place, so its order can be kept beside it. */
const sorted = new WeakMap<TickMap, readonly number[]>()

/** Initialised ticks, ascending. */
export function sortedTicks(ticks: TickMap): readonly number[] {
  const known = sorted.get(ticks)
  if (known) return known
  const order = Object.keys(ticks)
    .map(Number)
    .sort((a, b) => a - b)
  sorted.set(ticks, order)
  return order
}

export interface NextTick {
  tick: number
  /** False: only the end of a word of 256 ticks. The pool stops there too, and each stop rounds. */
  initialised: boolean
}

/** Where the pool's next step ends: the next initialised tick of the current bitmap word, or the end of that word. */
export function nextTick(ticks: TickMap, tick: number, spacing: number, zeroForOne: boolean): NextTick {
  const order = sortedTicks(ticks)
  const compressed = Math.floor(tick / spacing)
  if (zeroForOne) {
    const edge = (compressed >> 8) * 256 * spacing
    const below = order[ticksUpTo(order, compressed * spacing) - 1]
    if (below !== undefined && below >= edge) return { tick: below, initialised: true }
    return { tick: Math.max(edge, MIN_TICK), initialised: false }
  }
  const edge = (((compressed + 1) >> 8) * 256 + 255) * spacing
  const above = order[ticksUpTo(order, compressed * spacing)]
  if (above !== undefined && above <= edge) return { tick: above, initialised: true }
  return { tick: Math.min(edge, MAX_TICK), initialised: false }
}

/** How many of the ascending numbers are not above `limit`. */
export function ticksUpTo(order: readonly number[], limit: number): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((order[middle] as number) <= limit) low = middle + 1
    else high = middle
  }
  return low
}
