import fc from 'fast-check'
import { expect, test } from 'vitest'
import { premiumOf } from '../../../../agent/dex/lending/premium.ts'
import { leastAmountIn, type Quote, quoteExactIn, quoteExactOut } from '../../../../agent/dex/pools/quote.ts'
import { getAmountIn } from '../../../../agent/dex/pools/v2-math.ts'
import { priceAfterInput } from '../../../../agent/dex/pools/v3-math/sqrt-price-math.ts'
import { MAX_SQRT_PRICE, sqrtPriceAtTick, tickAtSqrtPrice } from '../../../../agent/dex/pools/v3-math/tick-math.ts'
import { FleetError } from '../../../../src/protocol/errors.ts'
import type { PoolState } from '../../../../src/protocol/trade.ts'
import { raw } from '../../../../src/protocol/units.ts'
import { addr, anyPool, anyV2, anyV3, anyV4, v2Pool, v3Pool, v4Pool } from '../../../fixtures/dex/pools.ts'

const amount = fc.bigInt({ min: 1n, max: 10n ** 26n }).map((value) => raw(value))
const tickPool = fc.oneof(anyV3, anyV4)

/** Undefined where the pool cannot serve it. */
const served = <T>(quote: () => T): T | undefined => {
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

test('what a swap paid is bought back for no more than went in, and the least input for it buys it, one unit less does not', () => {
  fc.assert(
    fc.property(anyPool, amount, fc.boolean(), (pool, amountIn, zeroForOne) => {
      const forward = served(() => quoteExactIn(pool, { amountIn, zeroForOne }))
      if (!forward || forward.amountOut === 0n) return
      const { amountOut } = forward
      const back = quoteExactOut(pool, { amountOut, zeroForOne }).amountIn
      // But for the library's "plus one" of pairs.
      expect(back).toBeLessThanOrEqual(amountIn + (pool.kind === 'v2' ? 1n : 0n))
      const least = leastAmountIn(pool, { amountOut, zeroForOne })
      expect(least).toBeLessThanOrEqual(back)
      expect(quoteExactIn(pool, { amountIn: least, zeroForOne }).amountOut).toBeGreaterThanOrEqual(amountOut)
      if (least === 1n) return
      expect(quoteExactIn(pool, { amountIn: raw(least - 1n), zeroForOne }).amountOut).toBeLessThan(amountOut)
    }),
    { numRuns: 500 },
  )
})

test('a swap in two parts never pays more than in one', () => {
  fc.assert(
    fc.property(anyPool, amount, amount, fc.boolean(), (pool, a, b, zeroForOne) => {
      const whole = served(() => quoteExactIn(pool, { amountIn: raw(a + b), zeroForOne }))
      if (!whole) return
      const first = quoteExactIn(pool, { amountIn: a, zeroForOne })
      const second = quoteExactIn(first.after, { amountIn: b, zeroForOne })
      expect(first.amountOut + second.amountOut).toBeLessThanOrEqual(whole.amountOut)
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

test('a pair’s product never falls, and its reserves move by what was swapped', () => {
  fc.assert(
    fc.property(anyV2, amount, fc.boolean(), (pool, amountIn, zeroForOne) => {
      const quote = served(() => quoteExactIn(pool, { amountIn, zeroForOne }))
      if (quote?.after.kind !== 'v2') return
      const { reserve0, reserve1 } = quote.after
      expect(reserve0 * reserve1).toBeGreaterThanOrEqual(pool.reserve0 * pool.reserve1)
      const moved = [reserve0 - pool.reserve0, reserve1 - pool.reserve1]
      expect(zeroForOne ? moved : moved.reverse()).toEqual([amountIn, -quote.amountOut])
    }),
  )
})

test('after a swap, price, tick, liquidity and ticks agree with one another', () => {
  fc.assert(
    fc.property(tickPool, amount, fc.boolean(), fc.boolean(), (pool, size, zeroForOne, exactIn) => {
      const quote = served(() =>
        exactIn
          ? quoteExactIn(pool, { amountIn: size, zeroForOne })
          : quoteExactOut(pool, { amountOut: size, zeroForOne }),
      )
      if (!quote || quote.after.kind === 'v2') return
      const { sqrtPriceX96: price, tick, liquidity, ticks = {} } = quote.after
      const crossedDown = zeroForOne && price === sqrtPriceAtTick(tick + 1)
      expect(tick).toBe(tickAtSqrtPrice(price) - (crossedDown ? 1 : 0))
      expect(zeroForOne ? price <= pool.sqrtPriceX96 : price >= pool.sqrtPriceX96).toBe(true)
      const below = Object.entries(ticks).filter(([at]) => Number(at) <= tick)
      expect(liquidity).toBe(below.reduce((sum, [, net]) => sum + net, 0n))
      expect(quote.remaining).toBe(0n)
      expect(quote.feeAmount).toBeLessThanOrEqual(quote.amountIn)
    }),
    { numRuns: 500 },
  )
})

test('a swap stops at its price limit with what it did so far, and refuses a limit on the wrong side', () => {
  fc.assert(
    fc.property(tickPool, amount, fc.boolean(), fc.integer({ min: 1, max: 3_000 }), (pool, size, zeroForOne, away) => {
      const sqrtPriceLimitX96 = sqrtPriceAtTick(pool.tick + 1 + (zeroForOne ? -1 : 1) * (away + 1))
      const into = quoteExactIn(pool, { amountIn: size, zeroForOne, sqrtPriceLimitX96 })
      expect(into.amountIn + into.remaining).toBe(size)
      const outOf = quoteExactOut(pool, { amountOut: size, zeroForOne, sqrtPriceLimitX96 })
      expect(outOf.amountOut + outOf.remaining).toBe(size)
      for (const { remaining, after } of [into, outOf]) {
        if (after.kind === 'v2') return
        if (remaining > 0n) expect(after.sqrtPriceX96).toBe(sqrtPriceLimitX96)
        const within = zeroForOne ? after.sqrtPriceX96 >= sqrtPriceLimitX96 : after.sqrtPriceX96 <= sqrtPriceLimitX96
        expect(within).toBe(true)
      }
      const wrong = () => quoteExactIn(pool, { amountIn: size, zeroForOne: !zeroForOne, sqrtPriceLimitX96 })
      expect(wrong).toThrow(expect.objectContaining({ code: 'malformed' }))
    }),
  )
  const limited = { amountIn: raw(1n), zeroForOne: true, sqrtPriceLimitX96: sqrtPriceAtTick(-5) }
  expect(() => quoteExactIn(v2Pool(5n, 5n), limited)).toThrow(expect.objectContaining({ code: 'unsupported' }))
})

test('a V4 pool takes the protocol’s fee first, then the liquidity’s of what is left; a fee of all pays nothing', () => {
  const like = v3Pool(30, [[-6_000, 6_000, 10n ** 20n]])
  const swap = { amountIn: raw(10n ** 9n), zeroForOne: true }
  const plain = quoteExactIn(v4Pool(like), swap)
  expect(plain.amountOut).toBe(quoteExactIn(like, swap).amountOut)
  // 1000 + 3000 - 1000·3000/1e6 = 3997
  expect(quoteExactIn(v4Pool(like, [1_000, 0]), swap)).toMatchObject({ feeAmount: 3_997_000n })
  expect(quoteExactIn(v4Pool(like, [0, 1_000]), swap)).toMatchObject({ feeAmount: 3_000_000n })
  const greedy = v4Pool({ ...like, feePips: 999_999 }, [1_000, 0])
  expect(quoteExactIn(greedy, swap)).toMatchObject({ amountOut: 0n, feeAmount: 10n ** 9n })
  const wanted = () => quoteExactOut(greedy, { amountOut: raw(1n), zeroForOne: true })
  expect(wanted).toThrow(expect.objectContaining({ code: 'pool_empty' }))
})

test('the least input of a pair is one below the library’s where its division leaves no rest', () => {
  const pool = { ...v2Pool(1_000n, 1_000n), feePips: 0 }
  // 1000·500 / 500 = 1000
  expect(getAmountIn(raw(500n), { in: pool.reserve0, out: pool.reserve1 }, 0)).toBe(1_001n)
  expect(leastAmountIn(pool, { amountOut: raw(500n), zeroForOne: true })).toBe(1_000n)
  expect(quoteExactIn(pool, { amountIn: raw(1_000n), zeroForOne: true }).amountOut).toBe(500n)
})

test('where 256 bits would overflow, the price after an input is the less exact one: never past the exact price', () => {
  const big = fc.bigInt({ min: 1n << 100n, max: (1n << 128n) - 1n })
  fc.assert(
    fc.property(big, big, (liquidity, input) => {
      const price = MAX_SQRT_PRICE - 1n
      expect((input * price) >> 256n).toBeGreaterThan(0n)
      const after = priceAfterInput(price, liquidity, input, true)
      const scaled = liquidity << 96n
      const exact = (scaled * price) / (scaled + input * price)
      expect(after).toBeGreaterThanOrEqual(exact)
      expect(after).toBeLessThanOrEqual(price)
      // By less than the rounding of L/P, a unit of the denominator.
      expect(after - 1n).toBeLessThanOrEqual(scaled / (scaled / price + input))
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
    () => quoteExactIn(v4Pool(narrow), { amountIn: all, zeroForOne: true }),
  ]) {
    expect(quote).toThrow(expect.objectContaining(refused))
  }
})

test('the premium of an Aave that rounds half up', () => {
  const lender = { kind: 'aave_v3', address: addr(7), premiumBps: 5, rounding: 'half_up' } as const
  expect([999n, 1_000n, 2_999n, 3_000n, 10n ** 18n].map((size) => premiumOf(lender, raw(size)))).toEqual([
    0n,
    1n,
    1n,
    2n,
    5n * 10n ** 14n,
  ])
})
