import type { ChainInfo, PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Opportunity, PoolId, PoolState } from '../../../src/protocol/trade.ts'
import type { Address, Raw } from '../../../src/protocol/units.ts'
import { type LenderOption, lenderOptions } from '../lending/lenders.ts'
import { type CycleIndex, cycleCount, indexCycles } from './cycle-index.ts'
import { type Cycle, cycleAt } from './cycles.ts'
import { Estimates } from './estimates.ts'
import { NativeRates, nativeNumber } from './native-rate.ts'
import { type Offer, offersFor, proceeds, SLACK } from './offers.ts'
import { opportunityOf } from './opportunity.ts'
import { bestDisjoint } from './packing.ts'
import { Shortlist } from './shortlist.ts'
import { bestSize, type Sized } from './size.ts'
import { lendingKey, type SearchParams, type Terms, termsOf } from './terms.ts'

export interface SearchStats {
  pools: number
  tokens: number
  cycles: number
  /** As asked for, or less where that would have been too many cycles. */
  maxHops: number
  indexMs: number
  /** Of the last search: cycles looked at (for each touched pool), offers that pass the floor in doubles, routes sized exactly. */
  evaluated: number
  offers: number
  verified: number
}

/** A cycle's route and its lenders, made when it first earns enough. */
interface Route {
  hops: Cycle
  pools: number[]
  options: readonly LenderOption[]
}

/** Exact results: they hold while the cycle is not evaluated again and the terms are the same. */
interface Verified {
  version: number
  lender: Address
  maxRaw: Raw
  sized: Sized | undefined
}

/** All cycles of a market, and what they earn now. A block costs what the pools cost that it touched. */
export class SearchEngine {
  readonly #estimates: Estimates
  readonly #states = new Map<PoolId, PoolState>()
  readonly #places: ReadonlyMap<PoolId, number>
  /** Of cycles that were worth a look. */
  readonly #routes = new Map<number, Route>()
  /** Gas of each cycle with the lender that takes least; 0 where it is not known. */
  readonly #leastGas: Float64Array
  #routesFor: Pick<SearchParams, 'liquidity'> & { lenders: ChainInfo['lenders'] } = {
    liquidity: new Map(),
    lenders: [],
  }
  readonly #shortlist: Shortlist
  readonly #rates: NativeRates
  readonly #verified = new Map<number, Verified[]>()
  #stats: SearchStats

  /** @param of a pool that is named twice counts once; cycles that hold several bases begin at the first of them */
  constructor(of: { pools: readonly PoolInfo[]; bases: readonly Address[]; maxHops?: number }) {
    const began = performance.now()
    const pools = [...new Map(of.pools.map((pool) => [pool.address, pool])).values()]
    const index = indexWithin(pools, of.bases, of.maxHops ?? 4)
    this.#estimates = new Estimates(index)
    this.#shortlist = new Shortlist(index)
    this.#rates = new NativeRates(pools, this.#states)
    this.#leastGas = new Float64Array(cycleCount(index))
    this.#places = new Map(pools.map(({ address }, place) => [address, place]))
    this.#stats = {
      pools: pools.length,
      tokens: index.tokens,
      cycles: cycleCount(index),
      maxHops: index.maxHops,
      indexMs: performance.now() - began,
      evaluated: 0,
      offers: 0,
      verified: 0,
    }
  }

  get stats(): SearchStats {
    return this.#stats
  }

  /** A pool's state at the block that is searched next; the same object as before costs nothing. */
  setPool(state: PoolState): void {
    const place = this.#places.get(state.address)
    if (place === undefined) return
    this.#estimates.setPool(place, state)
    this.#states.set(state.address, state)
  }

  /** No cycle through it counts until its state is set again. */
  dropPool(pool: PoolId): void {
    const place = this.#places.get(pool)
    if (place === undefined) return
    this.#estimates.setPool(place, undefined)
    this.#states.delete(pool)
  }

  /**
   * The opportunities of a block, best first: those that earn most together of all that no two share a pool, each at the
   * floor or above, every amount exact. A base token that has no limit or no rate is not searched.
   */
  search(params: SearchParams): Opportunity[] {
    const evaluated = this.#estimates.update()
    this.#forgetRoutes(params)
    const offers = this.#offers(params)
    const before = { offers: offers.length, verified: 0 }
    this.#stats = { ...this.#stats, ...before, evaluated }
    const chosen = this.#verifiedBest(offers)
    return chosen.sort((a, b) => b.value - a.value).map((offer) => opportunityOf(offer, params))
  }

  #forgetRoutes({ chain: { lenders }, liquidity }: SearchParams): void {
    if (this.#routesFor.lenders === lenders && this.#routesFor.liquidity === liquidity) return
    this.#routesFor = { lenders, liquidity }
    this.#routes.clear()
    this.#leastGas.fill(0)
  }

  #offers(params: SearchParams): Offer[] {
    const terms = this.#estimates.index.bases.map((base) => termsOf(base, params, this.#rates))
    this.#shorten(terms, params)
    const offers: Offer[] = []
    this.#shortlist.each((cycle) => {
      const found = this.#offersOf(cycle, terms[this.#baseOf(cycle)] as Terms, params)
      offers.push(...found)
      return found.length > 0
    })
    // Whatever was evaluated when, the same market gives the same choice.
    return offers.sort((a, b) => a.cycle - b.cycle)
  }

  /** Leaves what may reach the floor: premium, tip and L1 fee are not counted yet. */
  #shorten(terms: readonly (Terms | undefined)[], params: SearchParams): void {
    const { earning, profit } = this.#estimates
    const rates = terms.map((each) => (each ? nativeNumber(each.rate) * SLACK : 0))
    const [gasPrice, floor] = [Number(params.baseFeeWei), Number(params.minProfitWei)]
    this.#shortlist.clear()
    for (let at = 0; at < earning.length; at++) {
      const cycle = earning[at] as number
      const earned = (profit[cycle] as number) * (rates[this.#baseOf(cycle)] as number)
      const left = earned - gasPrice * (this.#leastGas[cycle] as number)
      if (left >= floor) this.#shortlist.add(cycle, left)
    }
  }

  #baseOf(cycle: number): number {
    const { baseOffsets } = this.#estimates.index
    let base = 0
    while (cycle >= (baseOffsets[base + 1] as number)) base += 1
    return base
  }

  #offersOf(cycle: number, terms: Terms, params: SearchParams): Offer[] {
    const { hops, pools, options } = this.#routes.get(cycle) ?? this.#makeRoute(cycle, terms.token, params)
    const { profit, size } = this.#estimates
    const found = {
      cycle,
      hops,
      pools,
      profit: profit[cycle] as number,
      size: size[cycle] as number,
      curves: () => this.#estimates.curves(cycle),
    }
    const offers = offersFor(found, terms, options, (lender) => this.#places.get(lender))
    this.#leastGas[cycle] = options.reduce((least, { gas }) => Math.min(least, Number(gas)), Number.POSITIVE_INFINITY)
    if (offers.length > 0) this.#routes.set(cycle, { hops, pools, options })
    return offers
  }

  #makeRoute(cycle: number, token: Address, { chain, liquidity }: SearchParams): Route {
    const hops = cycleAt(this.#estimates.index, cycle)
    const lendable = new Map<string, Raw>()
    for (const { address } of chain.lenders) {
      const amount = liquidity.get(lendingKey(address, token))
      if (amount !== undefined) lendable.set(address, amount)
    }
    const options = lenderOptions({ hops, token, lenders: chain.lenders, liquidity: lendable })
    return { hops, pools: hops.map((hop) => this.#places.get(hop.pool) as number), options }
  }

  /**
   * Chooses by upper bounds, sizes what was chosen exactly, and chooses again until all that is chosen is exact: no other
   * choice can then be worth more, and only what may be sent is ever sized.
   */
  #verifiedBest(offers: Offer[]): Offer[] {
    let open = offers
    for (;;) {
      const chosen = bestDisjoint(open).map((at) => open[at] as Offer)
      const unverified = chosen.filter(({ sized }) => !sized)
      if (unverified.length === 0) return chosen
      for (const offer of unverified) this.#verify(offer)
      open = open.filter(({ value }) => value > 0)
    }
  }

  /** Puts the exact amounts and value in; a value of 0 where they do not reach the floor. */
  #verify(offer: Offer): void {
    const sized = this.#sizedOnce(offer)
    const left = sized ? proceeds(sized, offer.gasWei, offer.terms).leftWei : -1n
    offer.value = left >= offer.terms.minProfitWei && left > 0n ? Number(left) : 0
    if (sized) offer.sized = sized
  }

  #sizedOnce({ cycle, hops, option: { lender }, maxRaw }: Offer): Sized | undefined {
    const version = this.#estimates.version[cycle] as number
    const fresh = (this.#verified.get(cycle) ?? []).filter((each) => each.version === version)
    const known = fresh.find((each) => each.lender === lender.address && each.maxRaw === maxRaw)
    if (known) return known.sized
    const sized = bestSize(hops, this.#states, { lender, maxRaw })
    this.#verified.set(cycle, [...fresh, { version, lender: lender.address, maxRaw, sized }])
    this.#stats.verified += 1
    return sized
  }
}

/** With fewer hops where all would be too many to hold. */
function indexWithin(pools: readonly PoolInfo[], bases: readonly Address[], maxHops: number): CycleIndex {
  try {
    return indexCycles({ pools, bases, maxHops })
  } catch (error) {
    if (!(error instanceof FleetError && error.code === 'unsupported') || maxHops <= 2) throw error
    return indexWithin(pools, bases, maxHops - 1)
  }
}
