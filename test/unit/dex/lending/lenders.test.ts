import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gasOfTrade } from '../../../../agent/dex/lending/gas-of-trade.ts'
import { lenderOptions } from '../../../../agent/dex/lending/lenders.ts'
import { premiumOf } from '../../../../agent/dex/lending/premium.ts'
import { type Hop, LENDER_KINDS, type Lender } from '../../../../src/protocol/trade.ts'
import { raw } from '../../../../src/protocol/units.ts'
import { addr, hash, hop, WETH } from '../../../fixtures/trade.ts'

const lender = (kind: Lender['kind'], at: number, premiumBps: number, over: Partial<Lender> = {}): Lender => ({
  kind,
  address: addr(at),
  premiumBps,
  ...over,
})
const AAVE = lender('aave_v3', 0xaa, 5)
const VAULT = lender('balancer_v2', 0xba, 0)
const OWN = lender('own', 0xee, 0)
const POOL = lender('uniswap_v3', 0xf3, 30, { tokens: [WETH, addr(7)] })
const PAIR = lender('uniswap_v2', 0xf2, 30, { tokens: [WETH, addr(7)] })
const ALL = [AAVE, POOL, PAIR, VAULT, OWN]
const RICH = new Map(ALL.map((each) => [each.address as string, raw(10n ** 20n)]))

const v3 = (each: Hop): Hop => ({ ...each, kind: 'v3' })
const v4 = (each: Hop): Hop => ({ ...each, kind: 'v4', pool: hash(4), v4: { manager: addr(0x44), tickSpacing: 60 } })
const there = hop(1, true)
const back = hop(2, false)
const options = (hops: readonly Hop[], lenders: readonly Lender[] = ALL, liquidity = RICH) =>
  lenderOptions({ hops, token: WETH, lenders, liquidity })
const names = (found: ReturnType<typeof options>) => found.map((option) => option.lender.kind)

describe('the lenders of a route', () => {
  test('come the cheapest first: by premium, then by gas', () => {
    expect(names(options([there, back])).slice(1)).toEqual([
      'own',
      'balancer_v2',
      'aave_v3',
      'uniswap_v3',
      'uniswap_v2',
    ])
  })

  test.each([
    ['uniswap_v2', there],
    ['uniswap_v3', v3(there)],
  ] as const)('begin with its own first pool, for nothing: %s', (kind, first) => {
    const [best] = options([first, back], [AAVE])
    expect(best?.lender).toEqual({ kind, address: addr(1), premiumBps: 0 })
    expect(best?.maxRaw).toBeGreaterThan(10n ** 33n)
    expect(best?.gas).toBe(gasOfTrade([first, back], { kind, address: addr(1) }))
  })

  test('begin with the manager of its own first pool, for nothing: uniswap_v4; no other route is lent to by one', () => {
    const manager = lender('uniswap_v4', 0x44, 0)
    const rich = new Map([...RICH, [manager.address as string, raw(10n ** 20n)]])
    const [best, ...others] = options([v4(there), back], [manager, AAVE], rich)
    expect(best?.lender).toEqual(manager)
    expect(best?.maxRaw).toBe(2n ** 127n - 1n)
    expect(best?.gas).toBe(gasOfTrade([v4(there), back], lender('own', 0xee, 0)))
    expect(names(others)).toEqual(['aave_v3'])
    expect(names(options([there, v4(back)], [manager], rich))).toEqual(['uniswap_v2'])
  })

  test('are without those that have nothing, or do not lend that token', () => {
    expect(names(options([there, back], ALL, new Map()))).toEqual(['uniswap_v2'])
    const none = new Map(RICH).set(VAULT.address, raw(0n))
    const other = { ...POOL, tokens: [addr(7), addr(8)] }
    expect(names(options([there, back], [VAULT, other, AAVE], none))).toEqual(['uniswap_v2', 'aave_v3'])
  })

  test('are without the pools of the route itself: later ones are locked, the first costs nothing', () => {
    const onRoute = [lender('uniswap_v2', 1, 30), lender('uniswap_v2', 2, 30)]
    const rich = new Map(onRoute.map((each) => [each.address as string, raw(1n)]))
    expect(options([there, back], onRoute, rich).map((option) => option.lender)).toEqual([
      { kind: 'uniswap_v2', address: addr(1), premiumBps: 0 },
    ])
  })

  test('lend as much as was read', () => {
    const found = options([there, back], [AAVE], new Map([[AAVE.address, raw(77n)]]))
    expect(found[1]?.maxRaw).toBe(77n)
  })
})

describe('a premium', () => {
  test.each([
    ['own', 30, 12_345n, 0n],
    ['aave_v3', 5, 10_000n, 5n],
    ['aave_v3', 5, 10_001n, 6n],
    ['aave_v3', 0, 10n ** 20n, 0n],
    ['uniswap_v4', 0, 10n ** 20n, 0n],
    ['balancer_v2', 0, 10n ** 20n, 0n],
    ['balancer_v2', 1, 1n, 1n],
    ['balancer_v2', 1, 20_000n, 2n],
    ['uniswap_v3', 30, 1_000n, 3n],
    ['uniswap_v3', 30, 1_001n, 4n],
    ['uniswap_v2', 30, 997n, 3n],
    ['uniswap_v2', 30, 998n, 4n],
    ['uniswap_v2', 0, 10n ** 20n, 0n],
  ] as const)('of %s at %i bps on %s is %s', (kind, premiumBps, amount, premium) => {
    expect(premiumOf({ kind, premiumBps }, raw(amount))).toBe(premium)
  })

  test('of Aave is rounded half up where it was seen to, and where it was not is never less, and one unit more at most', () => {
    const aave = (rounding?: Lender['rounding']) =>
      ({ kind: 'aave_v3', premiumBps: 5, ...(rounding && { rounding }) }) as const
    expect([10_999n, 11_000n].map((amount) => premiumOf(aave('half_up'), raw(amount)))).toEqual([5n, 6n])
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 112n), (amount) => {
        const [unsaid, up, halfUp] = [aave(), aave('up'), aave('half_up')].map((each) => premiumOf(each, raw(amount)))
        expect(unsaid).toBe(up)
        expect([0n, 1n]).toContain((up as bigint) - (halfUp as bigint))
      }),
    )
  })

  test('of a pair is the least that its own check lets pass', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 112n), fc.integer({ min: 0, max: 9_999 }), (amount, premiumBps) => {
        const back = amount + premiumOf({ kind: 'uniswap_v2', premiumBps }, raw(amount))
        const passes = (paid: bigint) => paid * BigInt(10_000 - premiumBps) >= amount * 10_000n
        expect([passes(back), passes(back - 1n)]).toEqual([true, false])
      }),
    )
  })

  test('never falls as the loan grows', () => {
    const amount = fc.bigInt(0n, 2n ** 120n)
    fc.assert(
      fc.property(
        fc.constantFrom(...LENDER_KINDS),
        fc.integer({ min: 0, max: 1_000 }),
        amount,
        amount,
        (kind, premiumBps, a, b) => {
          const of = (loan: bigint) => premiumOf({ kind, premiumBps }, raw(loan))
          expect(of(a + b)).toBeGreaterThanOrEqual(of(a))
        },
      ),
    )
  })
})

test('pools of one V4 manager that follow each other are reckoned less gas than others', () => {
  const other = { ...v4(back), pool: hash(5) }
  const apart = { ...other, v4: { manager: addr(0x45), tickSpacing: 60 } }
  expect(gasOfTrade([v4(there), other], AAVE)).toBeLessThan(gasOfTrade([v4(there), apart], AAVE))
})
