import type { Lender, PoolId, PoolState } from '../../../src/protocol/trade.ts'
import { type Address, type Raw, raw } from '../../../src/protocol/units.ts'
import { quoteExactIn } from '../pools/quote.ts'
import { cycleCount, indexCycles } from './cycle-index.ts'
import { CycleQueue, type Entry } from './cycle-queue.ts'
import { cycleAt } from './cycles.ts'
import { Estimates } from './estimates.ts'
import { bestSize, type Sized } from './size.ts'

export interface ScanQuestion {
  /** Pools and their states, none twice. */
  pools: readonly PoolState[]
  base: Address
  /** 2 to 4. */
  maxHops: number
  /** Floor of the gross profit, raw units of the base token, 1 or more. */
  minProfitRaw: Raw
  /** One by one, best first, each on the state that the last one left. */
  greedy: boolean
  /** Awaited now and then, so that the process can hear a signal; throws to end the scan. */
  breathe?: () => Promise<void>
}

export interface Scan {
  cycles: number
  indexMs: number
  scanMs: number
  /** Gross: swap fees are in it, gas and premium are not. In the order in which they are to be read. */
  trades: Sized[]
}

/** Whoever trades with what is theirs: no premium, and any amount. */
const OWN: Lender = { kind: 'own', address: `0x${'0'.repeat(40)}`, premiumBps: 0 }
const ANY_AMOUNT = raw(2n ** 128n - 1n)
const BREATHE_EVERY = 64
/** Doubles err by less. */
const SLACK = 1 + 1e-9

/** Every cycle through the base token that earns the floor or more, sized and verified exactly. */
export async function scanPools(question: ScanQuestion): Promise<Scan> {
  const { pools, base, maxHops, greedy } = question
  const began = performance.now()
  const index = indexCycles({ pools, bases: [base], maxHops })
  const indexed = performance.now()
  const market = new Market(new Estimates(index), pools)
  const trades = greedy ? await oneByOne(market, question) : await eachOnItsOwn(market, question)
  return { cycles: cycleCount(index), indexMs: indexed - began, scanMs: performance.now() - indexed, trades }
}

/** Estimates and the exact states behind them. */
class Market {
  readonly estimates: Estimates
  readonly #states: Map<PoolId, PoolState>
  readonly #places: ReadonlyMap<PoolId, number>

  constructor(estimates: Estimates, pools: readonly PoolState[]) {
    this.estimates = estimates
    this.#states = new Map(pools.map((pool) => [pool.address, pool]))
    this.#places = new Map(pools.map((pool, place) => [pool.address, place]))
    for (const [place, pool] of pools.entries()) estimates.setPool(place, pool)
    estimates.evaluateAll()
  }

  size(cycle: number): Sized | undefined {
    return bestSize(cycleAt(this.estimates.index, cycle), this.#states, { lender: OWN, maxRaw: ANY_AMOUNT })
  }

  /** Moves the pools on the route to where the trade leaves them. @param touched told of each cycle through them */
  take({ hops }: Sized, touched: (cycle: number) => void): void {
    for (const { pool, amountIn, zeroForOne } of hops) {
      const { after } = quoteExactIn(this.#states.get(pool) as PoolState, { amountIn, zeroForOne })
      this.#states.set(pool, after)
      this.estimates.setPool(this.#places.get(pool) as number, after)
    }
    this.estimates.update(touched)
  }
}

async function eachOnItsOwn(market: Market, { minProfitRaw, breathe }: ScanQuestion): Promise<Sized[]> {
  const { earning, profit } = market.estimates
  const trades: Sized[] = []
  let looked = 0
  for (const cycle of earning) {
    if ((profit[cycle] as number) * SLACK < Number(minProfitRaw)) continue
    const sized = market.size(cycle)
    if (sized && sized.profitRaw >= minProfitRaw) trades.push(sized)
    if (++looked % BREATHE_EVERY === 0) await breathe?.()
  }
  return trades.sort((a, b) => (a.profitRaw < b.profitRaw ? 1 : a.profitRaw > b.profitRaw ? -1 : 0))
}

/**
 * The best first: a cycle's estimate is never less than what it earns, so the first whose exact profit is still above all
 * other estimates is the best of all.
 */
async function oneByOne(market: Market, { minProfitRaw, breathe }: ScanQuestion): Promise<Sized[]> {
  const { estimates } = market
  const queue = new CycleQueue()
  const exact = new Map<number, { entry: Entry; sized: Sized }>()
  const offer = (cycle: number): void => {
    const [value, version] = [(estimates.profit[cycle] as number) * SLACK, estimates.version[cycle] as number]
    if (value >= Number(minProfitRaw)) queue.push({ value, cycle, version })
  }
  for (const cycle of estimates.earning) offer(cycle)
  const trades: Sized[] = []
  for (let turn = 1, next = queue.pop(); next; turn++, next = queue.pop()) {
    if (turn % BREATHE_EVERY === 0) await breathe?.()
    if (next.version !== estimates.version[next.cycle]) continue
    const known = exact.get(next.cycle)
    if (known?.entry === next) {
      trades.push(known.sized)
      market.take(known.sized, offer)
      continue
    }
    const sized = market.size(next.cycle)
    if (!sized || sized.profitRaw < minProfitRaw) continue
    const entry = { ...next, value: Number(sized.profitRaw) }
    exact.set(next.cycle, { entry, sized })
    queue.push(entry)
  }
  return trades
}
