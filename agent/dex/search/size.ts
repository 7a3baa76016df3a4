import { FleetError } from '../../../src/protocol/errors.ts'
import type { Hop, Lender, PoolState, V2Pool } from '../../../src/protocol/trade.ts'
import { type Address, type Raw, raw } from '../../../src/protocol/units.ts'
import { premiumOf } from '../lending/premium.ts'
import { leastAmountIn, quoteExactIn } from '../pools/quote.ts'
import { MILLION, v2Reserves } from '../pools/v2-math.ts'
import { curveOf } from './curves.ts'
import type { Cycle, RouteHop } from './cycles.ts'
import { bestInput, outputsAt } from './walk.ts'
import { bestInWholeUnits } from './whole-units.ts'

const BPS = 10_000n

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
  const { lender, maxRaw } = terms
  if (maxRaw <= 0n) return undefined
  const pools = cycle.map((hop) => stateOf(states, hop.pool))
  const curves = cycle.map((hop, at) => curveOf(pools[at] as PoolState, hop.zeroForOne))
  const spot = bestInput(curves, loanPrice(lender), Number(maxRaw))
  if (!spot) return undefined
  const wanted = pools.every((pool) => pool.kind === 'v2')
    ? closedForm(cycle, pools as V2Pool[], lender)
    : BigInt(Math.floor(spot.input))
  const size = wanted < maxRaw ? wanted : maxRaw
  const first = size > 0n ? sizedAt(cycle, states, size, lender) : undefined
  const best = bestInWholeUnits(outputsAt(curves, spot.input), first, {
    atSize: (loan) => (loan <= maxRaw ? sizedAt(cycle, states, loan, lender) : undefined),
    inputFor: (amountOut, hop) => inputFor(cycle.slice(0, hop + 1), states, amountOut),
  })
  return best && best.profitRaw > 0n ? best : undefined
}

/** Amounts for a loan with the dust taken off; undefined where a pool pays nothing or cannot serve it. */
function sizedAt(cycle: Cycle, states: States, size: bigint, lender: Lender): Sized | undefined {
  return served(() => trimmed(evaluate(cycle, states, raw(size), lender), states, lender))
}

/** The least input for which hops one after another pay `amountOut` or more; undefined where they cannot. */
function inputFor(hops: readonly RouteHop[], states: States, amountOut: bigint): Raw | undefined {
  return served(() => leastInput(hops, states, raw(amountOut)))
}

function leastInput(hops: readonly RouteHop[], states: States, amountOut: Raw): Raw {
  let wanted = amountOut
  for (let at = hops.length - 1; at >= 0; at--) {
    const { pool, zeroForOne } = hops[at] as RouteHop
    wanted = leastAmountIn(stateOf(states, pool), { amountOut: wanted, zeroForOne })
  }
  return wanted
}

function served<T>(quote: () => T): T | undefined {
  try {
    return quote()
  } catch (error) {
    if (error instanceof FleetError && error.code === 'pool_empty') return undefined
    throw error
  }
}

/** What is paid back for what was lent, without the lender's rounding. */
function priceOf({ kind, premiumBps }: Lender): { lent: bigint; paidBack: bigint } {
  const bps = BigInt(premiumBps)
  if (kind === 'own') return { lent: 1n, paidBack: 1n }
  // A pair takes its fee off what comes back.
  return kind === 'uniswap_v2' ? { lent: BPS - bps, paidBack: BPS } : { lent: BPS, paidBack: BPS + bps }
}

/** The same as a double: 1 and the premium of each unit. */
export function loanPrice(lender: Lender): number {
  const { lent, paidBack } = priceOf(lender)
  return Number(paidBack) / Number(lent)
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
  const { lent, paidBack } = priceOf(lender)
  const root = sqrt((k * m * lent) / paidBack)
  return root > m ? (root - m) / n : 0n
}

/** Takes back what rounding would give away: the least loan that still buys the same output. */
function trimmed(sized: Sized, states: States, lender: Lender): Sized {
  const least = leastInput(sized.hops, states, (sized.hops.at(-1) as Hop).amountOut)
  if (least >= sized.sizeRaw) return sized
  const less = evaluate(sized.hops, states, least, lender)
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
