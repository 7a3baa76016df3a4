import fc from 'fast-check'
import { expect, test } from 'vitest'
import { premiumOf } from '../../../agent/dex/premium.ts'
import { type Quote, quoteExactIn, quoteExactOut } from '../../../agent/dex/quote.ts'
import { swapV3 } from '../../../agent/dex/v3/swap.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { PoolState } from '../../../src/protocol/trade.ts'
import { raw } from '../../../src/protocol/units.ts'
import { addr, anyPool, anyV2, v2Pool, v3Pool } from '../../fixtures/dex/pools.ts'

const amount = fc.bigInt({ min: 1n, max: 10n ** 26n }).map((value) => raw(value))

/** Undefined where the pool cannot serve it. */
const served = (quote: () => Quote): Quote | undefined => {
  try {
    return quote()
  } catch (error) {
    if (error instanceof FleetError && error.code === 'pool_empty') return undefined
    throw error
  }
}

test('the V2 quote is the pair’s own: 1 ETH into 1,000 ETH / 3,000,000 USDC', () => {
  const pool = v2Pool(1_000n * 10n ** 18n, 3_000_000n * 10n ** 6n)
  // floor(1e18·997·3e12 / (1e21·1000 + 1e18·997))
  const { amountOut, feeAmount } = quoteExactIn(pool, { amountIn: raw(10n ** 18n), zeroForOne: true })
  expect([amountOut, feeAmount]).toEqual([2_988_020_943n, 3n * 10n ** 15n])
})

test('more in never pays less, and what is paid is never all that the pool has', () => {
  fc.assert(
    fc.property(anyPool, amount, amount, fc.boolean(), (pool, a, b, zeroForOne) => {
      const [less, more] = a < b ? [a, b] : [b, a]
      const small = served(() => quoteExactIn(pool, { amountIn: less, zeroForOne }))
      const large = served(() => quoteExactIn(pool, { amountIn: more, zeroForOne }))
      if (!large) return
      expect(small).toBeDefined()
      expect(large.amountOut).toBeGreaterThanOrEqual((small as Quote).amountOut)
      expect(large.amountIn).toBe(more)
      if (pool.kind === 'v2') expect(large.amountOut).toBeLessThan(zeroForOne ? pool.reserve1 : pool.reserve0)
    }),
    { numRuns: 500 },
  )
})

test('buying back the output of a swap never costs less than it paid, and buys at least that output', () => {
  fc.assert(
    fc.property(anyPool, amount, fc.boolean(), (pool, amountIn, zeroForOne) => {
      const forward = served(() => quoteExactIn(pool, { amountIn, zeroForOne }))
      if (!forward || forward.amountOut === 0n) return
      const back = served(() => quoteExactOut(pool, { amountOut: forward.amountOut, zeroForOne }))
      // What buys this output exactly is no more than what bought it, but for the pair's "plus one".
      expect((back as Quote).amountIn).toBeLessThanOrEqual(amountIn + 1n)
      const again = served(() => quoteExactIn(pool, { amountIn: (back as Quote).amountIn, zeroForOne }))
      if (again && pool.kind === 'v2') expect(again.amountOut).toBeGreaterThanOrEqual(forward.amountOut)
    }),
    { numRuns: 500 },
  )
})

test('there and back through one pool never earns', () => {
  fc.assert(
    fc.property(anyPool, amount, fc.boolean(), (pool, amountIn, zeroForOne) => {
      const there = served(() => quoteExactIn(pool, { amountIn, zeroForOne }))
      if (!there || there.amountOut === 0n) return
      const back = served(() => quoteExactIn(there.after, { amountIn: there.amountOut, zeroForOne: !zeroForOne }))
      if (back) expect(back.amountOut).toBeLessThan(amountIn)
    }),
    { numRuns: 500 },
  )
})

test('a pair’s product never falls', () => {
  fc.assert(
    fc.property(anyV2, amount, fc.boolean(), (pool, amountIn, zeroForOne) => {
      const quote = served(() => quoteExactIn(pool, { amountIn, zeroForOne }))
      if (quote?.after.kind !== 'v2') return
      expect(quote.after.reserve0 * quote.after.reserve1).toBeGreaterThanOrEqual(pool.reserve0 * pool.reserve1)
    }),
  )
})

test('a pool that cannot serve a swap says pool_empty: no reserve, too much wanted, liquidity that ends, never initialised', () => {
  const narrow = v3Pool(0, [[-60, 60, 10n ** 12n]])
  const blank: PoolState = { ...narrow, sqrtPriceX96: 0n as typeof narrow.sqrtPriceX96, liquidity: 0n, ticks: {} }
  const refused = { code: 'pool_empty' }
  const all = raw(10n ** 30n)
  for (const quote of [
    () => quoteExactIn(v2Pool(0n, 5n), { amountIn: raw(1n), zeroForOne: true }),
    () => quoteExactIn(v2Pool(5n, 5n), { amountIn: raw(1n << 112n), zeroForOne: true }),
    () => quoteExactOut(v2Pool(5n, 5n), { amountOut: raw(5n), zeroForOne: true }),
    () => quoteExactIn(narrow, { amountIn: all, zeroForOne: true }),
    () => quoteExactOut(narrow, { amountOut: all, zeroForOne: false }),
    () => quoteExactIn(blank, { amountIn: raw(1n), zeroForOne: false }),
  ]) {
    expect(quote).toThrow(expect.objectContaining(refused))
  }
})

test('a swap stops at its price limit with what it did so far, and refuses a limit on the wrong side', () => {
  const pool = v3Pool(0, [[-6000, 6000, 10n ** 18n]], { at: 9, tokens: [addr(1), addr(2)] })
  const limit = v3Pool(-100, []).sqrtPriceX96
  const swap = { amount: 10n ** 24n, exactIn: true, zeroForOne: true, sqrtPriceLimitX96: limit }
  const { after, remaining, amountIn } = swapV3(pool, swap)
  expect([after.sqrtPriceX96, after.tick]).toEqual([limit, -100])
  expect(amountIn + remaining).toBe(10n ** 24n)
  expect(() => swapV3(pool, { ...swap, zeroForOne: false })).toThrow(expect.objectContaining({ code: 'malformed' }))
})

test('Aave’s premium rounds half up', () => {
  const lender = { kind: 'aave_v3', address: addr(7), premiumBps: 5 } as const
  expect([999n, 1_000n, 2_999n, 3_000n, 10n ** 18n].map((size) => premiumOf(lender, raw(size)))).toEqual([
    0n,
    1n,
    1n,
    2n,
    5n * 10n ** 14n,
  ])
})
