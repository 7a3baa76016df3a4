import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Address } from '../../../src/protocol/units.ts'
import { type Core, coreOf, type TokenGraph, tokenGraph } from './token-graph.ts'

/** So many would take half a gigabyte. */
const MOST_CYCLES = 8_000_000

export interface CycleQuestion {
  pools: readonly PoolInfo[]
  /** Tokens that cycles begin and end with. One that holds several of them is listed at the first. */
  bases: readonly Address[]
  /** 2 to 4. */
  maxHops: number
}

/** Every simple cycle: from a base token back to it, through no pool twice and no other token twice. */
export interface CycleIndex {
  pools: readonly PoolInfo[]
  bases: readonly Address[]
  maxHops: number
  /** How many tokens the pools hold. */
  tokens: number
  /** The cycles' directed edges, cycle after cycle: 2·pool where token0 goes in, 2·pool + 1 where token1 does. */
  edges: Int32Array
  /** Where each cycle begins in `edges`, and the end. */
  offsets: Int32Array
  /** The first cycle of each base, and the end. */
  baseOffsets: Int32Array
  /** The cycles through each pool, ascending, and where each pool's begin. */
  cyclesOfPool: Int32Array
  poolOffsets: Int32Array
}

export const cycleCount = (index: CycleIndex): number => index.offsets.length - 1

/** @throws FleetError `unsupported` when there are more cycles than a process should hold */
export function indexCycles({ pools, bases, maxHops }: CycleQuestion): CycleIndex {
  const graph = tokenGraph(pools)
  const [edges, offsets] = [new Growing(), new Growing()]
  const baseOffsets = new Int32Array(bases.length + 1)
  const without = new Set<number>()
  for (const [at, base] of bases.entries()) {
    const token = graph.tokens.get(base)
    if (token !== undefined && !without.has(token)) {
      enumerate(graph, coreOf(graph, token, without), maxHops, edges, offsets)
      without.add(token)
    }
    baseOffsets[at + 1] = offsets.length
  }
  offsets.push(edges.length)
  const index = { pools, bases, maxHops, tokens: graph.tokens.size, edges: edges.taken(), offsets: offsets.taken() }
  return { ...index, baseOffsets, ...cyclesByPool(index.edges, index.offsets, pools.length) }
}

/**
 * Depth first from the base. Tokens of a path are all different, so its pools are too, but for a pool there and back. The
 * last hop is looked up, not searched for: a token like USDC has a thousand pools and few of them with the base.
 */
function enumerate(graph: TokenGraph, core: Core, maxHops: number, cycles: Growing, starts: Growing): void {
  const { head } = graph
  const { base, edges, offsets, back, backOffsets, distance } = core
  const path = new Int32Array(maxHops)
  const onPath = new Uint8Array(offsets.length - 1)
  const found = (hops: number): void => {
    if (hops === 2 && ((path[0] as number) ^ 1) === path[1]) return
    if (starts.length >= MOST_CYCLES) throw tooMany(maxHops)
    starts.push(cycles.length)
    for (let hop = 0; hop < hops; hop++) cycles.push(path[hop] as number)
  }
  const close = (token: number, depth: number): void => {
    for (let at = backOffsets[token] as number; at < (backOffsets[token + 1] as number); at++) {
      path[depth] = back[at] as number
      found(depth + 1)
    }
  }
  const extend = (token: number, depth: number): void => {
    const left = maxHops - depth - 1
    if (depth > 0) close(token, depth)
    if (left === 0) return
    onPath[token] = 1
    for (let at = offsets[token] as number; at < (offsets[token + 1] as number); at++) {
      const edge = edges[at] as number
      const next = head[edge] as number
      if (next === base || onPath[next] === 1 || (distance[next] as number) > left) continue
      path[depth] = edge
      extend(next, depth + 1)
    }
    onPath[token] = 0
  }
  extend(base, 0)
}

function cyclesByPool(edges: Int32Array, offsets: Int32Array, pools: number) {
  const poolOffsets = new Int32Array(pools + 1)
  for (const edge of edges) poolOffsets[(edge >> 1) + 1] = (poolOffsets[(edge >> 1) + 1] as number) + 1
  for (let pool = 0; pool < pools; pool++)
    poolOffsets[pool + 1] = (poolOffsets[pool + 1] as number) + (poolOffsets[pool] as number)
  const cyclesOfPool = new Int32Array(edges.length)
  const next = poolOffsets.slice()
  for (let cycle = 0; cycle + 1 < offsets.length; cycle++) {
    for (let at = offsets[cycle] as number; at < (offsets[cycle + 1] as number); at++) {
      const pool = (edges[at] as number) >> 1
      cyclesOfPool[next[pool] as number] = cycle
      next[pool] = (next[pool] as number) + 1
    }
  }
  return { cyclesOfPool, poolOffsets }
}

/** An Int32Array that doubles when it is full. */
class Growing {
  length = 0
  #held = new Int32Array(1024)

  push(value: number): void {
    if (this.length === this.#held.length) {
      const larger = new Int32Array(2 * this.length)
      larger.set(this.#held)
      this.#held = larger
    }
    this.#held[this.length++] = value
  }

  taken(): Int32Array {
    return this.#held.slice(0, this.length)
  }
}

const tooMany = (maxHops: number): FleetError =>
  new FleetError('unsupported', `these pools have more than ${MOST_CYCLES} cycles of up to ${maxHops} hops`, {
    remedy: 'Search fewer hops (--max-hops 3), fewer base tokens, or fewer pools.',
  })
