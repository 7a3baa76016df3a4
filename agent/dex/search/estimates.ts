import type { PoolState } from '../../../src/protocol/trade.ts'
import { poolKind } from '../pools/table.ts'
import type { Curve } from './curve.ts'
import { curveOf } from './curves.ts'
import { type CycleIndex, cycleCount } from './cycle-index.ts'
import { bestInput } from './walk.ts'

const MOST_HOPS = 4
const MET = 1
const EARNS = 2

/**
 * What each cycle would earn, in doubles and raw units of its base token, without premium, gas and limits: never less than
 * any exact amounts earn, so what fails a floor here fails it. Kept as pools change: a change costs its pool's cycles only.
 */
export class Estimates {
  readonly index: CycleIndex
  /** Of each cycle; 0 where the first unit already loses. */
  readonly profit: Float64Array
  /** The input that earns it. */
  readonly size: Float64Array
  /** Changes whenever a cycle that earns, or did, is evaluated: what was computed from it before is stale. */
  readonly version: Uint32Array
  readonly #states: (PoolState | undefined)[]
  /**
   * Beside `cyclesOfPool`: four directed edges of each cycle, of which one that changes nothing where it has fewer. What a
   * touched pool needs lies together: looking it up cycle by cycle would wait for memory more than it computes.
   */
  readonly #hopsByPool: Uint16Array | Int32Array
  /** By directed edge: what the first unit in gives out, and gamma / reserveIn, of the piece that the pool stands in. */
  readonly #rate: Float64Array
  readonly #bend: Float64Array
  /** By pool: 1 where one piece is all there is. */
  readonly #whole: Uint8Array
  readonly #dirty = new Set<number>()
  readonly #earning: IndexSet
  /** By cycle: MET in this `update`, and EARNS. */
  readonly #flags: Uint8Array
  /** Which were met. */
  readonly #met: Int32Array
  #metCount = 0

  constructor(index: CycleIndex) {
    const [cycles, pools] = [cycleCount(index), index.pools.length]
    this.index = index
    this.profit = new Float64Array(cycles)
    this.size = new Float64Array(cycles)
    this.version = new Uint32Array(cycles)
    this.#flags = new Uint8Array(cycles)
    this.#met = new Int32Array(cycles)
    this.#earning = new IndexSet(cycles)
    this.#states = new Array(pools)
    this.#rate = new Float64Array(2 * pools + 1).fill(1, 2 * pools)
    this.#hopsByPool = hopsByPool(index, 2 * pools)
    this.#bend = new Float64Array(2 * pools)
    this.#whole = new Uint8Array(pools)
  }

  /** Cycles that earn something, in no order, as of the last `update`. */
  get earning(): Int32Array {
    return this.#earning.members
  }

  /** A pool's state now; undefined: it cannot be traded. The same object as before changes nothing. */
  setPool(pool: number, state: PoolState | undefined): void {
    if (this.#states[pool] === state) return
    this.#states[pool] = state
    this.#dirty.add(pool)
    // Not kept, as those of `curves` are: of most states nobody wants more than this.
    const down = this.#setEdge(2 * pool, state && poolKind(state.kind).curve(state, true))
    const up = this.#setEdge(2 * pool + 1, state && poolKind(state.kind).curve(state, false))
    this.#whole[pool] = down && up ? 1 : 0
  }

  /** @returns whether the edge's first piece is all there is */
  #setEdge(edge: number, curve: Curve | undefined): boolean {
    const piece = curve?.piece(0)
    this.#rate[edge] = curve && piece ? (curve.gamma * piece.reserveOut) / piece.reserveIn : 0
    this.#bend[edge] = curve && piece ? curve.gamma / piece.reserveIn : 0
    return piece?.inEnd === Number.POSITIVE_INFINITY
  }

  /**
   * Evaluates every cycle through a pool that was set since the last time.
   *
   * @param changed told of each that earns now, or did
   * @returns how many were looked at; one through several such pools counts for each
   */
  update(changed?: (cycle: number) => void): number {
    const { cyclesOfPool, poolOffsets } = this.index
    let looked = 0
    for (const pool of this.#dirty) {
      const end = poolOffsets[pool + 1] as number
      for (let at = poolOffsets[pool] as number; at < end; at++) {
        const rate = this.#rateOf(this.#hopsByPool, MOST_HOPS * at)
        const cycle = cyclesOfPool[at] as number
        if (rate > 1 ? this.#first(cycle) : this.#flags[cycle] === EARNS) {
          this.#evaluate(cycle, rate)
          changed?.(cycle)
        }
        looked += 1
      }
    }
    this.#forget()
    return looked
  }

  /** Whether `update` meets a cycle for the first time. */
  #first(cycle: number): boolean {
    const flag = this.#flags[cycle] as number
    if ((flag & MET) !== 0) return false
    this.#flags[cycle] = flag | MET
    this.#met[this.#metCount++] = cycle
    return true
  }

  #forget(): void {
    for (let at = 0; at < this.#metCount; at++) {
      const cycle = this.#met[at] as number
      this.#flags[cycle] = (this.#flags[cycle] as number) & ~MET
    }
    this.#metCount = 0
    this.#dirty.clear()
  }

  /** The same for every cycle there is, touched or not. */
  evaluateAll(): void {
    const { edges, offsets } = this.index
    for (let cycle = 0; cycle < this.profit.length; cycle++) {
      let rate = 1
      for (let at = offsets[cycle] as number; at < (offsets[cycle + 1] as number); at++)
        rate *= this.#rate[edges[at] as number] as number
      if (rate > 1 || this.#flags[cycle] === EARNS) this.#evaluate(cycle, rate)
    }
    this.#dirty.clear()
  }

  /** The screen: what the first unit comes back as. Most cycles, most of the time, end here. */
  #rateOf(hops: Uint16Array | Int32Array, at: number): number {
    const rates = this.#rate
    return (
      (rates[hops[at] as number] as number) *
      (rates[hops[at + 1] as number] as number) *
      (rates[hops[at + 2] as number] as number) *
      (rates[hops[at + 3] as number] as number)
    )
  }

  #evaluate(cycle: number, rate: number): void {
    if (rate > 1) this.#size(cycle, rate)
    else this.#put(cycle, 0, 0)
  }

  /** Composes the pools' first pieces: x in gives rate·x / (1 + bend·x) out, which is all there is to constant products. */
  #size(cycle: number, rate: number): void {
    const { edges, offsets } = this.index
    const end = offsets[cycle + 1] as number
    let [sofar, bend, whole] = [1, 0, 1]
    for (let at = offsets[cycle] as number; at < end; at++) {
      const edge = edges[at] as number
      bend += sofar * (this.#bend[edge] as number)
      sofar *= this.#rate[edge] as number
      whole &= this.#whole[edge >> 1] as number
    }
    const root = Math.sqrt(rate) - 1
    if (whole === 1) this.#put(cycle, (root * root) / bend, root / bend)
    else this.#walk(cycle)
  }

  #put(cycle: number, profit: number, size: number): void {
    this.profit[cycle] = profit
    this.size[cycle] = size
    this.version[cycle] = (this.version[cycle] as number) + 1
    const met = (this.#flags[cycle] as number) & MET
    this.#flags[cycle] = profit > 0 ? met | EARNS : met
    this.#earning.put(cycle, profit > 0)
  }

  #walk(cycle: number): void {
    const best = bestInput(this.curves(cycle), 1, Number.POSITIVE_INFINITY)
    this.#put(cycle, best ? best.output - best.input : 0, best?.input ?? 0)
  }

  /** Of the cycle's hops, in order; all its pools must have a state. */
  curves(cycle: number): Curve[] {
    const { edges, offsets } = this.index
    const curves: Curve[] = []
    for (let at = offsets[cycle] as number; at < (offsets[cycle + 1] as number); at++) {
      const edge = edges[at] as number
      curves.push(curveOf(this.#states[edge >> 1] as PoolState, (edge & 1) === 0))
    }
    return curves
  }
}

function hopsByPool({ edges, offsets, cyclesOfPool }: CycleIndex, nothing: number): Uint16Array | Int32Array {
  const length = MOST_HOPS * cyclesOfPool.length
  const hops = nothing < 2 ** 16 ? new Uint16Array(length).fill(nothing) : new Int32Array(length).fill(nothing)
  for (let at = 0; at < cyclesOfPool.length; at++) {
    const start = offsets[cyclesOfPool[at] as number] as number
    const end = offsets[(cyclesOfPool[at] as number) + 1] as number
    for (let hop = start; hop < end; hop++) hops[MOST_HOPS * at + hop - start] = edges[hop] as number
  }
  return hops
}

/** A set of small whole numbers that is quick to go through. */
class IndexSet {
  readonly #order: Int32Array
  /** Place in the order, plus one; 0 when it is not in the set. */
  readonly #place: Int32Array
  #size = 0

  constructor(most: number) {
    this.#order = new Int32Array(most)
    this.#place = new Int32Array(most)
  }

  get members(): Int32Array {
    return this.#order.subarray(0, this.#size)
  }

  put(value: number, within: boolean): void {
    const place = this.#place[value] as number
    if (within === place > 0) return
    if (within) {
      this.#order[this.#size++] = value
      this.#place[value] = this.#size
      return
    }
    const last = this.#order[--this.#size] as number
    this.#order[place - 1] = last
    this.#place[last] = place
    this.#place[value] = 0
  }
}
