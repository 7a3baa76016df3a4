import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { Address } from '../../../src/protocol/units.ts'

/** Pools as directed edges between tokens: 2·pool where token0 goes in, 2·pool + 1 where token1 does. */
export interface TokenGraph {
  tokens: ReadonlyMap<Address, number>
  /** The token that each directed edge leads to; the one it comes from is that of `edge ^ 1`. */
  head: Int32Array
}

export function tokenGraph(pools: readonly PoolInfo[]): TokenGraph {
  const tokens = new Map<Address, number>()
  const idOf = (token: Address): number => {
    const known = tokens.get(token)
    if (known !== undefined) return known
    tokens.set(token, tokens.size)
    return tokens.size - 1
  }
  const head = new Int32Array(2 * pools.length)
  for (const [pool, { token0, token1 }] of pools.entries()) {
    head[2 * pool + 1] = idOf(token0)
    head[2 * pool] = idOf(token1)
  }
  return { tokens, head }
}

/** What of a graph can lie on a cycle through one token. */
export interface Core {
  base: number
  /** Directed edges by the token that they come from, and where each token's begin. */
  edges: Int32Array
  offsets: Int32Array
  /** Those of them that lead to the base, in the same way. */
  back: Int32Array
  backOffsets: Int32Array
  /** Least number of hops from each token to the base; 255 where there is no way. */
  distance: Uint8Array
}

const NO_WAY = 255

/** @param without tokens that must not be on the cycles */
export function coreOf({ tokens, head }: TokenGraph, base: number, without: ReadonlySet<number>): Core {
  const alive = prunedPools(head, tokens.size, base, without)
  const from = (edge: number): number => head[edge ^ 1] as number
  const kept = (edge: number): boolean => alive[edge >> 1] === 1
  const [edges, offsets] = byToken(head.length, tokens.size, from, kept)
  const [back, backOffsets] = byToken(head.length, tokens.size, from, (edge) => kept(edge) && head[edge] === base)
  return { base, edges, offsets, back, backOffsets, distance: distances(base, edges, offsets, head) }
}

/** Takes away, again and again, tokens that only one pool is left of: nothing comes back from there. */
function prunedPools(head: Int32Array, tokens: number, base: number, without: ReadonlySet<number>): Uint8Array {
  const alive = new Uint8Array(head.length >> 1)
  const degree = new Int32Array(tokens)
  for (let pool = 0; pool < alive.length; pool++) {
    const [a, b] = [head[2 * pool] as number, head[2 * pool + 1] as number]
    if (a === b || without.has(a) || without.has(b)) continue
    alive[pool] = 1
    degree[a] = (degree[a] as number) + 1
    degree[b] = (degree[b] as number) + 1
  }
  for (let changed = true; changed; ) {
    changed = false
    for (let pool = 0; pool < alive.length; pool++) {
      const [a, b] = [head[2 * pool] as number, head[2 * pool + 1] as number]
      const dead = (a !== base && degree[a] === 1) || (b !== base && degree[b] === 1)
      if (!alive[pool] || !dead) continue
      alive[pool] = 0
      degree[a] = (degree[a] as number) - 1
      degree[b] = (degree[b] as number) - 1
      changed = true
    }
  }
  return alive
}

/** Edges that are kept, by a key of each, as one array and where each key's begin. */
function byToken(
  edges: number,
  keys: number,
  keyOf: (edge: number) => number,
  kept: (edge: number) => boolean,
): [Int32Array, Int32Array] {
  const offsets = new Int32Array(keys + 1)
  for (let edge = 0; edge < edges; edge++)
    if (kept(edge)) offsets[keyOf(edge) + 1] = (offsets[keyOf(edge) + 1] as number) + 1
  for (let key = 0; key < keys; key++) offsets[key + 1] = (offsets[key + 1] as number) + (offsets[key] as number)
  const order = new Int32Array(offsets[keys] as number)
  const next = offsets.slice()
  for (let edge = 0; edge < edges; edge++) {
    if (!kept(edge)) continue
    const key = keyOf(edge)
    order[next[key] as number] = edge
    next[key] = (next[key] as number) + 1
  }
  return [order, offsets]
}

function distances(base: number, edges: Int32Array, offsets: Int32Array, head: Int32Array): Uint8Array {
  const distance = new Uint8Array(offsets.length - 1).fill(NO_WAY)
  distance[base] = 0
  const queue = [base]
  for (const token of queue) {
    const next = (distance[token] as number) + 1
    for (let at = offsets[token] as number; next < NO_WAY && at < (offsets[token + 1] as number); at++) {
      const other = head[edges[at] as number] as number
      if (distance[other] !== NO_WAY) continue
      distance[other] = next
      queue.push(other)
    }
  }
  return distance
}
