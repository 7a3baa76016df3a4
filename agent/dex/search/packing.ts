import { improvedGreedy } from './packing-greedy.ts'

/** One of several that exclude each other where they share a resource. */
export interface Candidate {
  /** What it earns after all costs; above 0. */
  value: number
  /** What it needs alone: each a small whole number, none twice. */
  resources: readonly number[]
}

/** Up to so many that hang together are solved exactly. */
const EXACT_UP_TO = 24
/** All subsets of more resources are too many to look up. */
const DOMINANCE_UP_TO = 8

/**
 * The set of candidates, no two of which share a resource, that is worth most. Exact where those that hang together are
 * few; elsewhere greedy, then improved by exchanges as far as a bounded effort goes.
 *
 * @returns indices into `candidates`, ascending
 */
export function bestDisjoint(candidates: readonly Candidate[]): number[] {
  const chosen: number[] = []
  for (const indices of components(candidates, withoutDominated(candidates))) {
    const part = indices.map((at) => candidates[at] as Candidate)
    const best = part.length <= EXACT_UP_TO ? exact(part) : improvedGreedy(part)
    for (const place of best) chosen.push(indices[place] as number)
  }
  return chosen.sort((a, b) => a - b)
}

/** Drops what needs all that another needs, and is not worth more. */
function withoutDominated(candidates: readonly Candidate[]): number[] {
  const best = new Map<number, number>()
  for (const [at, { resources, value }] of candidates.entries()) {
    const key = keyOf(resources)
    const known = best.get(key)
    if (known === undefined || value > (candidates[known] as Candidate).value) best.set(key, at)
  }
  const beaten = (at: number): boolean => {
    const one = candidates[at] as Candidate
    return subsetKeys(one.resources).some((key) => {
      const other = best.get(key)
      return other !== undefined && other !== at && beats(candidates[other] as Candidate, one, other < at)
    })
  }
  return [...candidates.keys()].filter((at) => !beaten(at))
}

function beats(other: Candidate, one: Candidate, earlier: boolean): boolean {
  if (other.value < one.value || !other.resources.every((resource) => one.resources.includes(resource))) return false
  return other.value > one.value || other.resources.length < one.resources.length || earlier
}

/** The same for the same set. Another set may have it too: whoever finds by it compares. */
const keyOf = (resources: readonly number[]): number =>
  resources.reduce((key, resource) => key ^ scattered(resource), 0)

/** Keys of all its subsets but the empty one; of itself alone where they would be too many. */
function subsetKeys(resources: readonly number[]): number[] {
  if (resources.length > DOMINANCE_UP_TO) return [keyOf(resources)]
  let keys = [0]
  for (const resource of resources) keys = keys.concat(keys.map((key) => key ^ scattered(resource)))
  return keys.slice(1)
}

/** Thirty bits that are unlike those of other numbers. */
function scattered(value: number): number {
  let bits = Math.imul(value + 1, 0x9e3779b1)
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca77)
  return (bits ^ (bits >>> 13)) & 0x3fffffff
}

/** Groups of candidates that share nothing with each other. */
function components(candidates: readonly Candidate[], which: readonly number[]): number[][] {
  const parent = new Map<number, number>()
  const root = (resource: number): number => {
    let at = resource
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) at = up
    parent.set(resource, at)
    return at
  }
  for (const at of which) {
    const [first, ...rest] = (candidates[at] as Candidate).resources
    for (const resource of rest) parent.set(root(resource), root(first as number))
  }
  const parts = new Map<number, number[]>()
  for (const at of which) {
    // What needs nothing is a part of its own.
    const [first] = (candidates[at] as Candidate).resources
    const key = first === undefined ? -1 - at : root(first)
    const part = parts.get(key)
    if (part) part.push(at)
    else parts.set(key, [at])
  }
  return [...parts.values()]
}

/** Branch and bound on the one that excludes most: with it, or without. Sets are bits: at most 31 candidates. */
function exact(part: readonly Candidate[]): number[] {
  const excludes = part.map((one, at) =>
    part.reduce((bits, other, place) => (place !== at && share(one, other) ? bits | (1 << place) : bits), 0),
  )
  let [best, bestValue] = [0, -1]
  const search = (open: number, taken: number, value: number): void => {
    let [pivot, most, bound] = [-1, 0, value]
    for (let left = open; left !== 0; left &= left - 1) {
      const place = 31 - Math.clz32(left & -left)
      const degree = bitCount((excludes[place] as number) & open)
      bound += (part[place] as Candidate).value
      if (degree > most) [pivot, most] = [place, degree]
    }
    if (bound <= bestValue) return
    if (pivot < 0) {
      ;[best, bestValue] = [taken | open, bound]
      return
    }
    const bit = 1 << pivot
    const { value: worth } = part[pivot] as Candidate
    search(open & ~bit & ~(excludes[pivot] as number), taken | bit, value + worth)
    search(open & ~bit, taken, value)
  }
  search((1 << part.length) - 1, 0, 0)
  return [...part.keys()].filter((place) => best & (1 << place))
}

const share = (one: Candidate, other: Candidate): boolean =>
  one.resources.some((resource) => other.resources.includes(resource))

function bitCount(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count += 1
  return count
}
