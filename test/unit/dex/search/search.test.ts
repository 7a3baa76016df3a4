import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lenderOptions } from '../../../../agent/dex/lending/lenders.ts'
import { quoteExactIn } from '../../../../agent/dex/pools/quote.ts'
import { describeRoute, opportunityId } from '../../../../agent/dex/search/opportunity.ts'
import { bestSize, requote } from '../../../../agent/dex/search/size.ts'
import { lendingKey } from '../../../../agent/dex/search/terms.ts'
import type { Lender, Opportunity, PoolState } from '../../../../src/protocol/trade.ts'
import { raw, wei } from '../../../../src/protocol/units.ts'
import { v2Pool, v3Pool, v4Pool } from '../../../fixtures/dex/pools.ts'
import {
  AAVE,
  anyMarket,
  chainOf,
  cyclesOf,
  DAI,
  E18,
  engineOf,
  limitsOf,
  paramsOf,
  search,
  statesOf,
  USDC,
  untimed,
  WETH,
} from '../../../fixtures/dex/search.ts'

const cheap = v2Pool(1_000n * E18, 3_000_000n * E18, 1, [WETH, DAI])
const dear = v2Pool(500n * E18, 1_600_000n * E18, 2, [WETH, DAI])
const netOf = (found: readonly Opportunity[]): bigint =>
  found.reduce((sum, { profitWei, gasWei, tipWei = wei(0n) }) => sum + profitWei - gasWei - tipWei, 0n)
const lends = (lender: Lender, amount: bigint) => new Map([[lendingKey(lender.address, WETH), raw(amount)]])

test('an opportunity carries exact amounts, its lender, its gas and its end', () => {
  const [found] = search([cheap, dear])
  if (!found) throw new Error('nothing was found')
  expect(found).toMatchObject({ block: 7, chainInstance: 'test-1', token: WETH, expiresBlock: 15, premiumRaw: 0n })
  expect(found.hops).toEqual(requote(found.hops, statesOf([cheap, dear]), found.sizeRaw))
  expect(found.profitRaw).toBe((found.hops[1]?.amountOut ?? 0n) - found.sizeRaw)
  expect(found.profitWei).toBe(found.profitRaw)
  // The first pool of the route pays out before it is paid.
  expect(found.lender).toEqual({ kind: 'uniswap_v2', address: found.hops[0]?.pool, premiumBps: 0 })
  const options = lenderOptions({ hops: found.hops, token: WETH, lenders: [], liquidity: new Map() })
  expect(found.gasWei).toBe((options[0]?.gas ?? 0n) * 10n ** 9n)
  expect(found.id).toBe(opportunityId('test-1', 7, found.hops))
})

test('what does not pay its gas and the floor is not an opportunity, and one route in two blocks is two', () => {
  const found = search([cheap, dear])
  const net = netOf(found)
  expect(search([cheap, dear], { minProfitWei: wei(net) })).toHaveLength(1)
  expect(search([cheap, dear], { minProfitWei: wei(net + 1n) })).toHaveLength(0)
  expect(search([cheap, dear], { block: 8 })[0]?.id).not.toBe(found[0]?.id)
})

test('the L1 fee and the tip come off what must reach the floor', () => {
  const net = netOf(search([cheap, dear]))
  const fee = wei(10n ** 15n)
  const [found] = search([cheap, dear], { l1FeeWei: () => fee, tipBps: 9_000 })
  const left = net - fee
  expect(found?.tipWei).toBe((left * 9_000n) / 10_000n)
  const floor = wei(left - (left * 9_000n) / 10_000n)
  expect(search([cheap, dear], { l1FeeWei: () => fee, tipBps: 9_000, minProfitWei: floor })).toHaveLength(1)
  expect(search([cheap, dear], { l1FeeWei: () => fee, tipBps: 9_000, minProfitWei: wei(floor + 1n) })).toHaveLength(0)
})

test('a loan is no larger than the limit of one trade, or of one hour', () => {
  const sizes = [{ maxInputRawPerTrade: raw(E18) }, { maxInputRawPerHour: raw(E18) }].map(
    (limit) => search([cheap, dear], { limits: limitsOf(limit) })[0]?.sizeRaw ?? 0n,
  )
  for (const size of sizes) expect(size > E18 - 1_000n && size <= E18).toBe(true)
})

test('where the first pool is one of V4, its manager lends for nothing, and nobody else is asked', () => {
  const first = v4Pool(v3Pool(81_000, [[78_000, 84_000, 100_000n * E18]], { at: 1, tokens: [WETH, DAI] }))
  const pools = [first, v2Pool(1_000n * E18, 3_000_000n * E18, 2, [WETH, DAI])]
  const [found] = search(pools, { liquidity: lends(AAVE, 10n ** 24n) }, { lenders: [AAVE] })
  if (!found) throw new Error('nothing was found')
  expect(found.hops[0]?.kind).toBe('v4')
  expect(found.lender).toEqual({ kind: 'uniswap_v4', address: first.manager, premiumBps: 0 })
  expect(found.premiumRaw).toBe(0n)
  expect(found.profitRaw).toBe((found.hops[1]?.amountOut ?? 0n) - found.sizeRaw)
  expect(search(pools)[0]?.lender).toEqual(found.lender)
})

test('two trades that together earn more than the best one are chosen in its place', () => {
  // The richest cycle needs the pools of both others.
  const pools = [
    v2Pool(1_000n * E18, 1_000n * E18, 1, [WETH, DAI]),
    v2Pool(1_000n * E18, 1_040n * E18, 2, [WETH, DAI]),
    v2Pool(1_000n * E18, 1_000n * E18, 3, [WETH, USDC]),
    v2Pool(1_000n * E18, 1_040n * E18, 4, [WETH, USDC]),
    v2Pool(1_018n * E18, 1_000n * E18, 5, [USDC, DAI]),
  ]
  const found = search(pools)
  const alone = cyclesOf(pools, [WETH]).flatMap(
    (cycle) => bestSize(cycle, statesOf(pools), { lender: AAVE, maxRaw: raw(10n ** 24n) }) ?? [],
  )
  const richest = alone.sort((a, b) => Number(b.profitRaw - a.profitRaw))[0]
  expect(richest?.hops).toHaveLength(3)
  expect(found.map(({ hops }) => hops.length)).toEqual([2, 2])
  expect(netOf(found)).toBeGreaterThan(richest?.profitRaw ?? 0n)
})

test('no two opportunities share a pool, the best comes first, and no other disjoint set earns more', () => {
  fc.assert(
    fc.property(anyMarket(4, 6), (pools) => {
      const lenders = [AAVE]
      const found = search(pools, { liquidity: lends(AAVE, 10n ** 24n) }, { lenders })
      const used = found.flatMap(({ hops }) => hops.map((hop) => hop.pool))
      expect(new Set(used).size).toBe(used.length)
      const nets = found.map((each) => each.profitWei - each.gasWei)
      expect(nets).toEqual([...nets].sort((a, b) => (a < b ? 1 : -1)))
      expect(netOf(found)).toBe(bestOfAllSets(tradesOf(pools, lenders)))
    }),
    { numRuns: 60 },
  )
})

/** Every cycle with the lender that leaves most, by trying all. */
function tradesOf(pools: readonly PoolState[], lenders: readonly Lender[]): { net: bigint; pools: string[] }[] {
  const liquidity = new Map(lenders.map(({ address }) => [address, raw(10n ** 24n)]))
  return cyclesOf(pools, [WETH]).flatMap((hops) => {
    const nets = lenderOptions({ hops, token: WETH, lenders, liquidity }).map(({ lender, gas }) => {
      const sized = bestSize(hops, statesOf(pools), { lender, maxRaw: limitsOf().maxInputRawPerTrade })
      return (sized?.profitRaw ?? 0n) - gas * 10n ** 9n
    })
    const net = nets.reduce((best, each) => (each > best ? each : best), 0n)
    return net >= 10n ** 13n ? [{ net, pools: hops.map((hop) => hop.pool) }] : []
  })
}

function bestOfAllSets([first, ...rest]: { net: bigint; pools: string[] }[]): bigint {
  if (!first) return 0n
  const without = bestOfAllSets(rest)
  const others = rest.filter(({ pools }) => !pools.some((pool) => first.pools.includes(pool)))
  const withIt = first.net + bestOfAllSets(others)
  return withIt > without ? withIt : without
}

test('after any changes of any pools a search finds what a fresh one finds, and looks at touched cycles alone', () => {
  const change = fc.tuple(fc.nat(), fc.boolean(), fc.integer({ min: 14, max: 19 }))
  fc.assert(
    fc.property(anyMarket(4, 8), fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 5 }), (start, blocks) => {
      const pools = [...start]
      const chain = chainOf(pools, { lenders: [AAVE] })
      const params = paramsOf(chain, { liquidity: lends(AAVE, 10n ** 24n) })
      const engine = engineOf(pools, chain)
      engine.search(params)
      for (const block of blocks) {
        for (const [at, zeroForOne, digits] of block) {
          const place = at % pools.length
          pools[place] = swapped(pools[place] as PoolState, zeroForOne, 10n ** BigInt(digits))
          engine.setPool(pools[place] as PoolState)
        }
        expect(untimed(engine.search(params))).toEqual(untimed(engineOf(pools, chain).search(params)))
        const touched = new Set(block.map(([at]) => pools[at % pools.length]?.address))
        const through = cyclesOf(pools, [WETH]).flatMap((cycle) => cycle.filter((hop) => touched.has(hop.pool)))
        expect(engine.stats.evaluated).toBeLessThanOrEqual(through.length)
      }
    }),
    { numRuns: 60 },
  )
})

const swapped = (pool: PoolState, zeroForOne: boolean, amount: bigint): PoolState => {
  try {
    return quoteExactIn(pool, { amountIn: raw(amount), zeroForOne }).after
  } catch {
    return pool
  }
}

test('a pool that did not change costs nothing, one that is dropped counts no more until it is set again', () => {
  const pools = [cheap, dear, v2Pool(E18, E18, 3, [WETH, USDC])]
  const chain = chainOf(pools)
  const engine = engineOf(pools, chain)
  expect(engine.search(paramsOf(chain))).toHaveLength(1)
  expect(engine.stats).toMatchObject({ pools: 3, tokens: 3, cycles: 2, evaluated: 4, verified: 1 })
  engine.setPool(cheap)
  expect(engine.search(paramsOf(chain, { block: 8 }))).toHaveLength(1)
  expect(engine.stats).toMatchObject({ evaluated: 0, verified: 0 })
  engine.dropPool(cheap.address)
  expect(engine.search(paramsOf(chain))).toEqual([])
  engine.setPool(cheap)
  expect(engine.search(paramsOf(chain))).toHaveLength(1)
  engine.setPool(v2Pool(E18, E18, 99, [WETH, USDC]))
  expect(engine.search(paramsOf(chain))).toHaveLength(1)
})

const usdcMarket = [
  v2Pool(3_000_000n * 10n ** 6n, 3_000_000n * E18, 1, [USDC, DAI]),
  v2Pool(3_000_000n * 10n ** 6n, 3_100_000n * E18, 2, [USDC, DAI]),
  v2Pool(10n * E18, 20_000n * 10n ** 6n, 3, [WETH, USDC]),
  v2Pool(1_000n * E18, 3_000_000n * 10n ** 6n, 4, [WETH, USDC]),
]
const usdcLimit = { maxInputRawPerTrade: raw(10n ** 12n), maxInputRawPerHour: raw(10n ** 13n) }
/** Pools 3 and 4 differ too: that is WETH's own cycle. */
const throughUsdc = (found: readonly Opportunity[]) => found.find(({ token }) => token === USDC)

test('another base token is searched within its own limit, by symbol or address, and counted in native units', () => {
  const ofChain = { bases: [WETH, USDC] }
  for (const name of ['USDC', USDC]) {
    const found = throughUsdc(search(usdcMarket, { limits: limitsOf({ tokens: { [name]: usdcLimit } }) }, ofChain))
    if (!found) throw new Error('nothing was found')
    expect(found.sizeRaw).toBeLessThanOrEqual(usdcLimit.maxInputRawPerTrade)
    // The deepest pool's price: 3,000 USDC for a WETH, rounded down.
    const exact = (found.profitRaw * 1_000n * E18) / (3_000_000n * 10n ** 6n)
    expect(found.profitWei - exact).toBeLessThanOrEqual(0n)
    expect(exact - found.profitWei).toBeLessThanOrEqual(exact / 10n ** 12n)
    expect(found.tipWei).toBeUndefined()
  }
})

test('a base token without a limit is not borrowed, one without a rate is not searched', () => {
  const ofChain = { bases: [WETH, USDC] }
  expect(throughUsdc(search(usdcMarket, {}, ofChain))).toBeUndefined()
  const limits = limitsOf({ tokens: { USDC: usdcLimit } })
  expect(throughUsdc(search(usdcMarket.slice(0, 2), { limits }, ofChain))).toBeUndefined()
})

test('a narrow range with large virtual reserves and little in it does not set the rate', () => {
  const limits = limitsOf({ tokens: { USDC: usdcLimit } })
  // Virtual reserves of 5,000 WETH, five times those of the deepest pair, at a price far too high; 15 WETH are in it.
  const trap = v3Pool(-129_000, [[-129_060, -128_940, 8n * E18]], { at: 9, tokens: [WETH, USDC] })
  const [honest, trapped] = [usdcMarket, [...usdcMarket, trap]].map((pools) =>
    search(pools, { limits }, { bases: [USDC] }).find(({ hops }) => hops[0]?.tokenOut === DAI),
  )
  expect(honest?.profitWei).toBeGreaterThan(0n)
  expect(trapped?.profitWei).toBe(honest?.profitWei)
})

test('a route reads as its tokens and venues', () => {
  const [found] = search([cheap, dear])
  expect(describeRoute(found?.hops ?? [], chainOf([]).tokens)).toBe(
    `WETH →uniswap_v2→ ${DAI.slice(0, 8)}… →uniswap_v2→ WETH`,
  )
})
