import { FleetError } from '../../src/protocol/errors.ts'
import type { Hop, Lender, PoolState, V2Pool } from '../../src/protocol/trade.ts'
import { type Address, type Raw, raw } from '../../src/protocol/units.ts'
import { type Curve, curveOf } from './curve.ts'
import type { Cycle, RouteHop } from './cycles.ts'
import { premiumOf } from './premium.ts'
import { quoteExactIn, quoteExactOut, v2Reserves } from './quote.ts'
import { MILLION } from './v2.ts'

export type States = ReadonlyMap<Address, PoolState>

export interface LoanTerms {
  lender: Lender
  /** Largest loan: the lender's liquidity and the fleet's limit, whichever is less. Raw units. */
  maxRaw: Raw
}

/** A route with exact amounts, and what it earns before gas. */
export interface Sized {
  hops: Hop[]
  sizeRaw: Raw
  premiumRaw: Raw
  /** Last amountOut - sizeRaw - premiumRaw; above 0. */
  profitRaw: Raw
}

/**
 * The same route with the amounts that it has for `size` at these states, hop by hop and to the wei. Each pool must
 * be on the route once.
 * @throws FleetError `pool_empty` when a pool cannot serve it, `not_found` when a pool's state is not given
 */
export function requote(hops: readonly RouteHop[], states: States, size: Raw): Hop[] {
  let amountIn = size
  return hops.map((hop) => {
    const { amountOut } = quoteExactIn(stateOf(states, hop.pool), { amountIn, zeroForOne: hop.zeroForOne })
    const quoted: Hop = { ...hop, amountIn, amountOut }
    amountIn = amountOut
    if (amountOut <= 0n) throw tooSmall(hop.pool)
    return quoted
  })
}

/** The amounts of a route for a loan, and what is left of them. May be negative: `profitRaw` is not checked here. */
export function evaluate(hops: readonly RouteHop[], states: States, size: Raw, lender: Lender): Sized {
  const quoted = requote(hops, states, size)
  const premiumRaw = premiumOf(lender, size)
  const profitRaw = raw((quoted.at(-1) as Hop).amountOut - size - premiumRaw)
  return { hops: quoted, sizeRaw: size, premiumRaw, profitRaw }
}

/**
 * The loan that earns most on a cycle, exact and verified hop by hop.
 * @returns undefined when the cycle earns nothing after the premium
 */
export function bestSize(cycle: Cycle, states: States, terms: LoanTerms): Sized | undefined {
  if (terms.maxRaw <= 0n || !mayEarn(cycle, states, terms.lender)) return undefined
  const pools = cycle.map((hop) => stateOf(states, hop.pool))
  const best = pools.every((pool) => pool.kind === 'v2')
    ? closedForm(cycle, pools as V2Pool[], terms.lender)
    : BigInt(Math.floor(searched(cycle, states, terms)))
  const size = best < terms.maxRaw ? best : terms.maxRaw
  if (size <= 0n) return undefined
  try {
    const sized = trimmed(evaluate(cycle, states, raw(size), terms.lender), states, terms.lender)
    return sized.profitRaw > 0n ? sized : undefined
  } catch (error) {
    if (error instanceof FleetError && error.code === 'pool_empty') return undefined
    throw error
  }
}

/** The filter: does the first unit that goes round come back as more than itself and its premium? In doubles. */
export function mayEarn(cycle: Cycle, states: States, lender: Lender): boolean {
  let rate = 1
  for (const hop of cycle) rate *= curveOf(stateOf(states, hop.pool), hop.zeroForOne).at(0).slope
  return rate > 1 + lender.premiumBps / 1e4
}

/** Optimum of K·x / (M + N·x) - (1 + premium)·x, the composition of constant-product hops, rounded down. */
function closedForm(cycle: Cycle, pools: readonly V2Pool[], lender: Lender): bigint {
  let [k, m, n] = [1n, 1n, 0n]
  for (const [at, hop] of cycle.entries()) {
    const pool = pools[at] as V2Pool
    const reserves = v2Reserves(pool, hop.zeroForOne)
    const gamma = MILLION - BigInt(pool.feePips)
    n = n * reserves.in * MILLION + k * gamma
    m *= reserves.in * MILLION
    k *= gamma * reserves.out
  }
  const root = sqrt((k * m * 10_000n) / (10_000n + BigInt(lender.premiumBps)))
  return root > m ? (root - m) / n : 0n
}

/** Where the cycle's slope falls to 1 + premium: bisection over the concave piecewise curves, in doubles. */
function searched(cycle: Cycle, states: States, terms: LoanTerms): number {
  const curves = cycle.map((hop) => curveOf(stateOf(states, hop.pool), hop.zeroForOne))
  const wanted = 1 + terms.lender.premiumBps / 1e4
  let [low, high] = [0, Number(terms.maxRaw)]
  if (slopeAt(curves, high) >= wanted) return high
  for (let turn = 0; turn < 80 && high - low > Math.max(1, low * 1e-14); turn++) {
    const middle = low + (high - low) / 2
    if (slopeAt(curves, middle) > wanted) low = middle
    else high = middle
  }
  return low
}

function slopeAt(curves: readonly Curve[], input: number): number {
  let [amount, slope] = [input, 1]
  for (const curve of curves) {
    const here = curve.at(amount)
    amount = here.output
    slope *= here.slope
  }
  return slope
}

/** Takes back what rounding would give away: the least loan that still buys the same output. */
function trimmed(sized: Sized, states: States, lender: Lender): Sized {
  let wanted = (sized.hops.at(-1) as Hop).amountOut
  for (const hop of [...sized.hops].reverse()) {
    wanted = quoteExactOut(stateOf(states, hop.pool), { amountOut: wanted, zeroForOne: hop.zeroForOne }).amountIn
  }
  if (wanted >= sized.sizeRaw) return sized
  const less = evaluate(sized.hops, states, wanted, lender)
  return less.profitRaw > sized.profitRaw ? less : sized
}

/** Integer square root, rounded down. */
function sqrt(value: bigint): bigint {
  if (value < 2n) return value
  let guess = 1n << BigInt((value.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (guess + value / guess) >> 1n
    if (next >= guess) return guess
    guess = next
  }
}

function stateOf(states: States, pool: Address): PoolState {
  const state = states.get(pool)
  if (state) return state
  throw new FleetError('not_found', `the state of pool ${pool} was not given`, {
    remedy: 'Load the pools of the route first.',
  })
}

const tooSmall = (pool: Address): FleetError =>
  new FleetError('pool_empty', `pool ${pool} pays nothing for so little`, { remedy: 'Take a larger amount.' })
