import type { Candidate } from './packing.ts'

/** Improvement ends after so many exchanges were looked at, for each candidate. */
const TRIES_EACH = 30
const NOBODY = -1

/**
 * A disjoint set that no exchange of the following kinds makes worth more: one that comes in for all that it excludes; two
 * that come in for one. Greedy by value first. Ends early when its effort is used up.
 *
 * @returns indices into `part`
 */
export function improvedGreedy(part: readonly Candidate[]): number[] {
  return new Exchange(part).run()
}

class Exchange {
  readonly #part: readonly Candidate[]
  /** By value, the most first; from here on a candidate is its place in this order. */
  readonly #order: readonly number[]
  readonly #values: Float64Array
  /** Resources counted from 0. */
  readonly #needs: readonly (readonly number[])[]
  readonly #takers: number[][] = []
  /** Which of those chosen has a resource. */
  readonly #holder: Int32Array
  readonly #chosen: Uint8Array
  #tries: number

  constructor(part: readonly Candidate[]) {
    this.#part = part
    this.#order = [...part.keys()].sort((a, b) => this.#valueAt(b) - this.#valueAt(a) || a - b)
    this.#values = Float64Array.from(this.#order, (at) => this.#valueAt(at))
    const counted = new Map<number, number>()
    this.#needs = this.#order.map((at, place) =>
      (part[at] as Candidate).resources.map((resource) => {
        const known = counted.get(resource) ?? counted.size
        if (known === counted.size) counted.set(resource, this.#takers.push([]) - 1)
        ;(this.#takers[known] as number[]).push(place)
        return known
      }),
    )
    this.#holder = new Int32Array(counted.size).fill(NOBODY)
    this.#chosen = new Uint8Array(part.length)
    this.#tries = TRIES_EACH * part.length
  }

  run(): number[] {
    this.#fill()
    for (let better = true; better && this.#tries > 0; this.#fill()) {
      better = false
      for (let at = 0; at < this.#chosen.length; at++) {
        if (this.#chosen[at] ? this.#giveWay(at) : this.#comeIn(at)) better = true
      }
    }
    return this.#order.filter((_, at) => this.#chosen[at])
  }

  #valueAt = (index: number): number => (this.#part[index] as Candidate).value
  #value = (at: number): number => this.#values[at] as number
  #need = (at: number): readonly number[] => this.#needs[at] as readonly number[]
  #holds = (resource: number): number => this.#holder[resource] as number

  #fill(): void {
    for (let at = 0; at < this.#chosen.length; at++) {
      if (!this.#chosen[at] && this.#need(at).every((resource) => this.#holder[resource] === NOBODY)) this.#take(at)
    }
  }

  #take(at: number): void {
    this.#chosen[at] = 1
    for (const resource of this.#need(at)) this.#holder[resource] = at
  }

  #leave(at: number): void {
    this.#chosen[at] = 0
    for (const resource of this.#need(at)) this.#holder[resource] = NOBODY
  }

  /** For all that it excludes, where it is worth more than they are. */
  #comeIn(at: number): boolean {
    this.#tries -= 1
    const leaving: number[] = []
    let cost = 0
    for (const resource of this.#need(at)) {
      const other = this.#holds(resource)
      if (other === NOBODY || leaving.includes(other)) continue
      leaving.push(other)
      cost += this.#value(other)
      if (cost >= this.#value(at)) return false
    }
    for (const other of leaving) this.#leave(other)
    this.#take(at)
    return true
  }

  /** One that is chosen leaves for the best two of those that it alone keeps out. */
  #giveWay(at: number): boolean {
    const waiting = this.#keptOutBy(at)
    for (let first = 0; first < waiting.length; first++) {
      const one = waiting[first] as number
      for (let second = first + 1; second < waiting.length; second++) {
        const two = waiting[second] as number
        this.#tries -= 1
        // They come in falling order: what follows is worth less.
        if (this.#tries <= 0 || this.#value(one) + this.#value(two) <= this.#value(at)) break
        if (this.#need(two).some((resource) => this.#need(one).includes(resource))) continue
        this.#leave(at)
        this.#take(one)
        this.#take(two)
        return true
      }
    }
    return false
  }

  /** Those that nobody else keeps out, by value. */
  #keptOutBy(at: number): number[] {
    const waiting = new Set<number>()
    const free = (resource: number): boolean => this.#holds(resource) === NOBODY || this.#holds(resource) === at
    for (const resource of this.#need(at)) {
      for (const other of this.#takers[resource] as number[]) {
        if (other !== at && this.#need(other).every(free)) waiting.add(other)
      }
    }
    return [...waiting].sort((a, b) => a - b)
  }
}
