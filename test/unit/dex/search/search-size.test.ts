import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leastAmountIn, quoteExactIn } from '../../../../agent/dex/pools/quote.ts'
import { curveOf } from '../../../../agent/dex/search/curves.ts'
import type { Cycle } from '../../../../agent/dex/search/cycles.ts'
import { bestSize, evaluate, requote, type Sized } from '../../../../agent/dex/search/size.ts'
import { bestInput, outputsAt } from '../../../../agent/dex/search/walk.ts'
import { FleetError } from '../../../../src/protocol/errors.ts'
import type { Lender, V2Pool } from '../../../../src/protocol/trade.ts'
import { raw } from '../../../../src/protocol/units.ts'
import { addr, anyPool, v2Pool, v3Pool } from '../../../fixtures/dex/pools.ts'
import {
  AAVE,
  anyMarket,
  byGoldenSection,
  cyclesOf,
  DAI,
  E18,
  OWN,
  profitOf,
  statesOf,
  USDC,
  WETH,
} from '../../../fixtures/dex/search.ts'

const cheap = v2Pool(1_000n * E18, 3_000_000n * E18, 1, [WETH, DAI])
const dear = v2Pool(500n * E18, 1_600_000n * E18, 2, [WETH, DAI])
const LENDERS: readonly Lender[] = [
  OWN,
  AAVE,
  { kind: 'balancer_v2', address: addr(0xba1), premiumBps: 2 },
  { kind: 'uniswap_v2', address: addr(0x1e2), premiumBps: 30 },
  { kind: 'uniswap_v3', address: addr(0x1e3), premiumBps: 5 },
]

test('a curve pays what the pool quotes exactly, within rounding, piece after piece', () => {
  fc.assert(
    fc.property(anyPool, fc.boolean(), fc.integer({ min: 6, max: 27 }), (pool, zeroForOne, digits) => {
      const amountIn = raw(10n ** BigInt(digits))
      const exact = outcome(() => quoteExactIn(pool, { amountIn, zeroForOne }).amountOut)
      if (exact === undefined) return
      const [output = 0] = outputsAt([curveOf(pool, zeroForOne)], Number(amountIn))
      expect(Math.abs(output - Number(exact))).toBeLessThanOrEqual(Number(exact) * 1e-9 + 3)
    }),
    { numRuns: 300 },
  )
})

test('the walk ends where the slope falls to the price: no other input earns more', () => {
  fc.assert(
    fc.property(anyMarket(3, 6), fc.constantFrom(1, 1.0005, 1.01), (pools, price) => {
      const states = statesOf(pools)
      for (const cycle of cyclesOf(pools, [WETH])) {
        const curves = cycle.map((hop) => curveOf(states.get(hop.pool) as (typeof pools)[0], hop.zeroForOne))
        const best = bestInput(curves, price, Number.POSITIVE_INFINITY)
        const earned = best ? best.output - price * best.input : 0
        for (let exponent = 8; exponent < 26; exponent += 0.25) {
          const input = 10 ** exponent
          const other = (outputsAt(curves, input).at(-1) ?? 0) - price * input
          expect(other).toBeLessThanOrEqual(earned + Math.max(10, input * 1e-9))
        }
      }
    }),
    { numRuns: 60 },
  )
})

test('no size that a fine search over exact quotes tries earns more than the one chosen, kinds and lenders mixed', () => {
  fc.assert(
    fc.property(anyMarket(3, 5), fc.constantFrom(...LENDERS), (pools, lender) => {
      const states = statesOf(pools)
      const maxRaw = raw(500n * E18)
      for (const cycle of cyclesOf(pools, [WETH], 3)) {
        const best = bestSize(cycle, states, { lender, maxRaw })?.profitRaw ?? 0n
        const found = byGoldenSection((size) => profitOf(cycle, states, size, lender), maxRaw)
        // Within a billionth, or what rounding makes of a few wei.
        expect(found - best).toBeLessThanOrEqual(best / 1_000_000_000n + 100n)
      }
    }),
    { numRuns: 40 },
  )
})

test('what is chosen is exact: quoting the route again at its size gives the same amounts, and the loan is within the cap', () => {
  fc.assert(
    fc.property(anyMarket(4, 8), fc.bigInt({ min: 1n, max: 100n * E18 }), (pools, cap) => {
      const states = statesOf(pools)
      for (const cycle of cyclesOf(pools, [WETH])) {
        const best = bestSize(cycle, states, { lender: AAVE, maxRaw: raw(cap) })
        if (!best) continue
        expect(best.sizeRaw).toBeLessThanOrEqual(cap)
        expect(best).toEqual(evaluate(cycle, states, best.sizeRaw, AAVE))
        expect(best.hops).toEqual(requote(cycle, states, best.sizeRaw))
        expect(best.profitRaw).toBeGreaterThan(0n)
      }
    }),
    { numRuns: 60 },
  )
})

test('a loan that is capped takes the cap, and one that is not is the same with any larger cap', () => {
  const [cycle] = cyclesOf([dear, cheap], [WETH]) as [Cycle]
  const at = (cap: bigint) => bestSize(cycle, statesOf([cheap, dear]), { lender: AAVE, maxRaw: raw(cap) })
  expect(at(E18)?.sizeRaw).toBeGreaterThan(E18 - 1_000n)
  expect(at(10n ** 24n)).toEqual(at(10n ** 30n))
  expect(at(0n)).toBeUndefined()
})

/** The most that any whole amount of the token between two pairs earns, each bought for the least that buys it. */
function bestByUnits([first, second]: readonly [V2Pool, V2Pool]): bigint {
  const [cycle] = cyclesOf([first, second], [WETH]).filter(([hop]) => hop?.pool === first.address) as [Cycle]
  let best = 0n
  for (let bought = 1n; bought < first.reserve1; bought++) {
    const most = (first.reserve0 * bought * 1_000n) / ((first.reserve1 - bought) * 997n) + 1n
    // One below is enough where the division leaves nothing over.
    for (const loan of [most - 1n, most]) {
      const profit = loan > 0n ? profitOf(cycle, statesOf([first, second]), loan, OWN) : 0n
      if (profit > best) best = profit
    }
  }
  return best
}

test('through tokens of few units the best of all whole amounts is found', () => {
  const units = fc.integer({ min: 20, max: 400 })
  fc.assert(
    fc.property(units, units, fc.integer({ min: 5, max: 100 }), (here, there, eth) => {
      const one = v2Pool(BigInt(eth) * E18, BigInt(here), 1, [WETH, DAI])
      const other = v2Pool(50n * E18, BigInt(there), 2, [WETH, DAI])
      for (const pair of [[one, other] as const, [other, one] as const]) {
        const [cycle] = cyclesOf([one, other], [WETH]).filter(([hop]) => hop?.pool === pair[0].address) as [Cycle]
        const chosen = bestSize(cycle, statesOf(pair), { lender: OWN, maxRaw: raw(10n ** 24n) })?.profitRaw ?? 0n
        expect(chosen).toBeGreaterThanOrEqual(bestByUnits(pair))
      }
    }),
    { numRuns: 150 },
  )
})

test('through two tokens of few units nearly all of what whole amounts can earn is found', () => {
  const units = fc.integer({ min: 60, max: 300 })
  let [chosen, best] = [0, 0]
  fc.assert(
    fc.property(units, units, units, units, (a, b, c, d) => {
      const pools = [
        v2Pool(50n * E18, BigInt(a), 1, [WETH, DAI]),
        v2Pool(BigInt(b), BigInt(c), 2, [DAI, USDC]),
        v2Pool(50n * E18, BigInt(d), 3, [WETH, USDC]),
      ]
      for (const cycle of cyclesOf(pools, [WETH])) {
        const most = (units: number) => profitOf(cycle, statesOf(pools), least(cycle, pools, units), OWN)
        const all = Array.from({ length: 59 }, (_, at) => Number(most(at + 1)) / 1e18)
        best += Math.max(0, ...all)
        chosen +=
          Number(bestSize(cycle, statesOf(pools), { lender: OWN, maxRaw: raw(10n ** 24n) })?.profitRaw ?? 0n) / 1e18
      }
    }),
    { numRuns: 150, seed: 3 },
  )
  expect(chosen / best).toBeGreaterThan(0.999)
})

/** The least loan that buys so many units in the first pool. */
function least([hop]: Cycle, pools: readonly V2Pool[], units: number): bigint {
  const pool = pools.find(({ address }) => address === hop?.pool) as V2Pool
  return leastAmountIn(pool, { amountOut: raw(BigInt(units)), zeroForOne: true })
}

test('through a token of few units it borrows no more than its whole units cost', () => {
  const pools = [v2Pool(1_000n * E18, 3_000n, 1, [WETH, DAI]), v2Pool(500n * E18, 1_900n, 2, [WETH, DAI])]
  const sizes = cyclesOf(pools, [WETH]).flatMap(
    (cycle) => bestSize(cycle, statesOf(pools), { lender: OWN, maxRaw: raw(10n ** 24n) }) ?? [],
  )
  const best = sizes[0] as Sized
  const less = requote(best.hops, statesOf(pools), raw(best.sizeRaw - 1n))
  expect(less[0]?.amountOut).toBe((best.hops[0]?.amountOut ?? 0n) - 1n)
})

test('an optimum hundreds of ranges away is reached', () => {
  // Five hundred ranges, each a tick spacing wide: a cap on their number would stop the walk far too early.
  const ranges = Array.from({ length: 500 }, (_, at) => [at * 60, (at + 1) * 60, E18 + BigInt(at)] as const)
  const pools = [
    v3Pool(0, [...ranges, [-60_000, 60_000, 10n ** 15n]], { at: 1, tokens: [DAI, WETH] }),
    v2Pool(10_000n * E18, 100n * E18, 2, [DAI, WETH]),
  ]
  const states = statesOf(pools)
  const results = cyclesOf(pools, [WETH]).map((cycle) => {
    const best = bestSize(cycle, states, { lender: OWN, maxRaw: raw(10n ** 24n) })
    return { cycle, best }
  })
  const { cycle, best } = results.find((each) => each.best) as { cycle: Cycle; best: Sized }
  const found = byGoldenSection((size) => profitOf(cycle, states, size, OWN), 100n * E18)
  expect(found - best.profitRaw).toBeLessThanOrEqual(best.profitRaw / 1_000_000_000n + 100n)
})

function outcome<T>(quote: () => T): T | undefined {
  try {
    return quote()
  } catch (error) {
    if (error instanceof FleetError && error.code === 'pool_empty') return undefined
    throw error
  }
}
