import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findCycles } from '../../../agent/dex/cycles.ts'
import { describeRoute, findOpportunities, opportunityId, type SearchCache } from '../../../agent/dex/search.ts'
import { bestSize, evaluate, requote, type Sized, type States } from '../../../agent/dex/size.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { PoolState } from '../../../src/protocol/trade.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { addr, infoOf, v2Pool, v3Pool } from '../../fixtures/dex/pools.ts'

const [WETH, USDC, DAI] = [addr(0xa), addr(0xb), addr(0xc)]
const lender = { kind: 'aave_v3', address: addr(0xaa7e), premiumBps: 5 } as const
const statesOf = (pools: readonly PoolState[]): States => new Map(pools.map((pool) => [pool.address, pool]))
const E18 = 10n ** 18n

const chainOf = (pools: readonly PoolState[]): ChainInfo => ({
  chainInstance: 'test-1',
  chainId: 1,
  sandbox: true,
  url: null,
  weth: WETH,
  tokens: [
    { address: WETH, symbol: 'WETH', decimals: 18 },
    { address: USDC, symbol: 'USDC', decimals: 6 },
  ],
  pools: pools.map(infoOf),
  lenders: [{ ...lender, premiumBps: 9 }, lender],
  executor: null,
  codeHashes: {},
  seed: null,
  at: '2024-01-01T00:00:00Z',
})

const search = (pools: readonly PoolState[], change: Partial<Parameters<typeof findOpportunities>[0]> = {}) =>
  findOpportunities({
    states: statesOf(pools),
    cycles: findCycles(pools.map(infoOf), WETH),
    chain: chainOf(pools),
    block: 7,
    blockHash: `0x${'ab'.repeat(32)}`,
    baseFeeWei: wei(10n ** 9n),
    minProfitWei: wei(10n ** 13n),
    limits: {
      maxInputRawPerTrade: raw(200n * E18),
      maxInputRawPerHour: raw(10_000n * E18),
      maxGasPerTrade: 1_500_000n,
      maxFeePerGasWei: wei(10n ** 11n),
    },
    planBlocks: 8,
    ...change,
  })

const cheap = v2Pool(1_000n * E18, 3_000_000n * E18, 1, [WETH, DAI])
const dear = v2Pool(500n * E18, 1_600_000n * E18, 2, [WETH, DAI])

test('every cycle of two and three hops is found, in both directions, and no pool twice', () => {
  const pools = [
    cheap,
    dear,
    v2Pool(E18, E18, 3, [WETH, USDC]),
    v2Pool(E18, E18, 4, [USDC, DAI]),
    v3Pool(0, [], { at: 5, tokens: [USDC, DAI] }),
  ]
  const routes = findCycles(pools.map(infoOf), WETH).map((cycle) => cycle.map((hop) => Number(hop.pool)).join('-'))
  expect(routes.sort()).toEqual(
    ['1-2', '2-1', '1-4-3', '1-5-3', '2-4-3', '2-5-3', '3-4-1', '3-5-1', '3-4-2', '3-5-2'].sort(),
  )
})

test('the loan that earns most on two pairs is the closed form’s, to the wei of its profit', () => {
  const [cycle] = findCycles([infoOf(dear), infoOf(cheap)], WETH) as [ReturnType<typeof findCycles>[0], unknown]
  const best = bestSize(cycle, statesOf([cheap, dear]), { lender, maxRaw: raw(10n ** 24n) }) as Sized
  expect(best.profitRaw).toBeGreaterThan(0n)
  for (const step of [-(10n ** 15n), -(10n ** 12n), 10n ** 12n, 10n ** 15n]) {
    const other = evaluate(cycle, statesOf([cheap, dear]), raw(best.sizeRaw + step), lender)
    expect(other.profitRaw).toBeLessThanOrEqual(best.profitRaw)
  }
})

test('through a token of few units it borrows no more than its whole units cost', () => {
  const pools = [v2Pool(1_000n * E18, 3_000n, 1, [WETH, DAI]), v2Pool(500n * E18, 1_900n, 2, [WETH, DAI])]
  const cycles = findCycles(pools.map(infoOf), WETH)
  const [best] = cycles.flatMap((cycle) => bestSize(cycle, statesOf(pools), { lender, maxRaw: raw(10n ** 24n) }) ?? [])
  if (!best) throw new Error('nothing was found')
  // Two wei less, and one of the units is not paid for.
  const less = requote(best.hops, statesOf(pools), raw(best.sizeRaw - 2n))
  expect(less[0]?.amountOut).toBe((best.hops[0]?.amountOut ?? 0n) - 1n)
})

const mixedMarket = fc
  .tuple(
    fc.integer({ min: 900, max: 1_100 }),
    fc.array(
      fc.tuple(fc.integer({ min: -30, max: 29 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2_000 })),
      { minLength: 1, maxLength: 6 },
    ),
    fc.integer({ min: -500, max: 500 }),
  )
  .map(([ratio, positions, tick]): PoolState[] => [
    v2Pool(1_000n * E18, BigInt(ratio) * E18, 1, [WETH, DAI]),
    v3Pool(
      tick,
      [
        ...positions.map(([at, width, depth]) => [at * 60, (at + width) * 60, BigInt(depth) * E18] as const),
        [-6000, 6000, E18],
      ],
      { at: 2, tokens: [WETH, DAI] },
    ),
  ])

test('no size that a search over exact quotes tries earns more than the one chosen, on pairs and pools mixed', () => {
  fc.assert(
    fc.property(mixedMarket, (pools) => {
      const states = statesOf(pools)
      const terms = { lender, maxRaw: raw(500n * E18) }
      for (const cycle of findCycles(pools.map(infoOf), WETH)) {
        const best = bestSize(cycle, states, terms)?.profitRaw ?? 0n
        const found = byGoldenSection((size) => profitOf(cycle, states, size), terms.maxRaw)
        // Within a millionth, or what rounding makes of a few wei.
        expect(found - best).toBeLessThanOrEqual(best / 1_000_000n + 1_000n)
      }
    }),
    { numRuns: 60 },
  )
})

function profitOf(cycle: Parameters<typeof evaluate>[0], states: States, size: bigint): bigint {
  try {
    return evaluate(cycle, states, raw(size), lender).profitRaw
  } catch (error) {
    if (error instanceof FleetError && error.code === 'pool_empty') return -(10n ** 30n)
    throw error
  }
}

function byGoldenSection(profit: (size: bigint) => bigint, max: bigint): bigint {
  let [low, high] = [1n, max]
  for (let turn = 0; turn < 90 && high - low > 3n; turn++) {
    const third = (high - low) / 3n
    const [a, b] = [low + third, high - third]
    if (profit(a) < profit(b)) low = a
    else high = b
  }
  return profit((low + high) / 2n)
}

test('the loan is capped by the limit of the fleet and by what the lender has', () => {
  const limits = { maxInputRawPerHour: raw(E18), maxGasPerTrade: 1n, maxFeePerGasWei: wei(1n) }
  const capped = (maxInputRawPerTrade: bigint, lenderLiquidityRaw: bigint) =>
    search([cheap, dear], {
      limits: { ...limits, maxInputRawPerTrade: raw(maxInputRawPerTrade) },
      lenderLiquidityRaw: raw(lenderLiquidityRaw),
    })[0]?.sizeRaw
  expect(capped(E18, 10n * E18)).toBeLessThanOrEqual(E18)
  expect(capped(E18, 10n * E18)).toBeGreaterThan(E18 - 1_000n)
  expect(capped(10n * E18, E18)).toBeLessThanOrEqual(E18)
  expect(capped(10n * E18, 0n)).toBeUndefined()
})

test('an opportunity carries exact amounts, the cheapest lender, its gas and its end', () => {
  const [found] = search([cheap, dear])
  expect(found).toMatchObject({ block: 7, chainInstance: 'test-1', token: WETH, lender, expiresBlock: 15 })
  if (!found) throw new Error('nothing was found')
  expect(found.hops).toEqual(requote(found.hops, statesOf([cheap, dear]), found.sizeRaw))
  expect(found.profitRaw).toBe((found.hops[1]?.amountOut ?? 0n) - found.sizeRaw - found.premiumRaw)
  expect(found.gasWei).toBe(320_000n * 10n ** 9n)
  expect(found.id).toBe(opportunityId('test-1', 7, found.hops))
})

test('what does not pay its gas and the floor is not an opportunity, and one route in two blocks is two', () => {
  const [found] = search([cheap, dear])
  const net = (found?.profitWei ?? 0n) - (found?.gasWei ?? 0n)
  expect(search([cheap, dear], { minProfitWei: wei(net) })).toHaveLength(1)
  expect(search([cheap, dear], { minProfitWei: wei(net + 1n) })).toHaveLength(0)
  expect(search([cheap, dear], { block: 8 })[0]?.id).not.toBe(found?.id)
})

test('no two opportunities of a block share a pool, and the best comes first', () => {
  const pools = [
    cheap,
    dear,
    v2Pool(800n * E18, 2_300_000n * E18, 3, [WETH, DAI]),
    v2Pool(400n * E18, 1_300_000n * 10n ** 6n, 4, [WETH, USDC]),
    v2Pool(600n * E18, 1_800_000n * 10n ** 6n, 5, [WETH, USDC]),
  ]
  const found = search(pools)
  expect(found.length).toBeGreaterThanOrEqual(2)
  const used = found.flatMap((each) => each.hops.map((hop) => hop.pool))
  expect(new Set(used).size).toBe(used.length)
  const nets = found.map((each) => each.profitWei - each.gasWei)
  expect(nets).toEqual([...nets].sort((a, b) => (a < b ? 1 : -1)))
})

test('with a cache only cycles of changed pools are sized again, and the answer is that of a fresh search', () => {
  const pools = [cheap, dear, v2Pool(400n * E18, 1_300_000n * 10n ** 6n, 4, [WETH, USDC])]
  const cycles = findCycles(pools.map(infoOf), WETH)
  const cache: SearchCache = new Map()
  const [best] = search(pools, { cycles, cache })
  const [first] = [...cache].find(([cycle]) => cycle[0]?.pool === best?.hops[0]?.pool) ?? []
  const known = first && cache.get(first)
  if (!first || !known) throw new Error('the best cycle is not in the cache')
  cache.set(first, { ...known, sized: undefined }) // a mark: it stays only where nothing is sized again
  expect(search(pools, { cycles, cache })).toEqual([])
  const moved = [{ ...cheap, reserve0: raw(1_001n * E18) }, ...pools.slice(1)]
  const strip = (list: ReturnType<typeof search>) => list.map(({ at: _at, ...rest }) => rest)
  expect(strip(search(moved, { cycles, cache }))).toEqual(strip(search(moved)))
})

test('a route reads as its tokens and venues', () => {
  const [found] = search([cheap, dear])
  expect(describeRoute(found?.hops ?? [], chainOf([]).tokens)).toBe(
    `WETH →uniswap_v2→ ${DAI.slice(0, 8)}… →uniswap_v2→ WETH`,
  )
})
