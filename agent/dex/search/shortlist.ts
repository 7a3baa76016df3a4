import type { CycleIndex } from './cycle-index.ts'

/** So many of the best through each pool are looked at: more than may be chosen from exactly. */
const BEST_OF_EACH_POOL = 32

/** Cycles that may be chosen, and what each would earn at most. */
export class Shortlist {
  readonly #index: CycleIndex
  readonly #cycles: Int32Array
  readonly #worth: Float64Array
  readonly #through: Uint8Array
  #size = 0

  constructor(index: CycleIndex) {
    this.#index = index
    this.#cycles = new Int32Array(index.offsets.length - 1)
    this.#worth = new Float64Array(index.offsets.length - 1)
    this.#through = new Uint8Array(index.pools.length)
  }

  clear(): void {
    this.#size = 0
  }

  /** @param worth in the same unit for all of them, above 0; NaN and less are left out */
  add(cycle: number, worth: number): void {
    if (!(worth > 0)) return
    this.#worth[cycle] = worth
    this.#cycles[this.#size++] = cycle
  }

  /**
   * The most worth first, but for those through a pool that many better ones go through already: a pool whose price is off
   * makes hundreds of cycles that exclude each other.
   *
   * @param look told of each; says whether it counts
   */
  each(look: (cycle: number) => boolean): void {
    const { edges, offsets } = this.#index
    const worth = this.#worth
    const order = this.#cycles
      .subarray(0, this.#size)
      .sort((a, b) => (worth[b] as number) - (worth[a] as number) || a - b)
    this.#through.fill(0)
    for (let place = 0; place < order.length; place++) {
      const cycle = order[place] as number
      const [from, to] = [offsets[cycle] as number, offsets[cycle + 1] as number]
      let crowded = false
      for (let at = from; at < to; at++) crowded ||= this.#through[(edges[at] as number) >> 1] === BEST_OF_EACH_POOL
      if (crowded || !look(cycle)) continue
      for (let at = from; at < to; at++) {
        const pool = (edges[at] as number) >> 1
        this.#through[pool] = (this.#through[pool] as number) + 1
      }
    }
  }
}
