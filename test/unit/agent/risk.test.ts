import { describe, expect, test } from 'vitest'
import { depthsOf, sidesOf } from '../../../agent/roles/risk/depth.ts'
import { refusalBy } from '../../../agent/roles/risk/judge.ts'
import { Remembered } from '../../../agent/roles/risk/remembered.ts'
import { DEPTH_RULES, PROBE_RULES, ROUTE_RULES } from '../../../agent/roles/risk/route-rules.ts'
import type { TokenInfo } from '../../../src/protocol/chain.ts'
import { type Risk, RiskSchema } from '../../../src/protocol/limits.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { v2Pool, v3Pool } from '../../fixtures/dex/pools.ts'
import { addr, hop, opportunity, WETH } from '../../fixtures/trade.ts'

const USDC = addr(0xc)
const token = (address: `0x${string}`, symbol: string): TokenInfo => ({ address, symbol, decimals: 18 })
const tokens = [token(WETH, 'WETH'), token(USDC, 'USDC')]
const route = { hops: [hop(2, true), hop(1, false)] }
const pools = [{ kind: 'v2', address: addr(1), dex: 'x', token0: WETH, token1: USDC, feePips: 3000, createdBlock: 90 }]

const judged = (over: Partial<Risk>, of: { tokens?: TokenInfo[]; head?: number } = {}) =>
  refusalBy(ROUTE_RULES, {
    route,
    chain: { tokens: of.tokens ?? tokens, pools: pools as never },
    risk: { ...RiskSchema.parse({}), ...over },
    head: of.head ?? 100,
  })

describe('the lists', () => {
  test('without entries let everything through', () => expect(judged({})).toBeNull())

  test('an allow list lets through what it names, by address or symbol, and nothing else', () => {
    expect(judged({ allowTokens: ['weth', USDC] })).toBeNull()
    expect(judged({ allowTokens: ['WETH'] })).toBe(`rule allowTokens: token USDC ${USDC} is not one of the 1 allowed`)
  })

  test('a symbol that two tokens bear allows neither', () => {
    const twins = [...tokens, token(addr(0xbad), 'USDC')]
    expect(judged({ allowTokens: ['WETH', 'USDC'] }, { tokens: twins })).toBe(
      `rule allowTokens: 2 tokens are called USDC: allow ${USDC} by its address`,
    )
    expect(judged({ denyTokens: ['usdc'] }, { tokens: twins })).toMatch(/^rule denyTokens: token USDC/)
  })

  test('denied tokens and pools are named', () => {
    expect(judged({ denyTokens: [USDC.toUpperCase().replace('X', 'x')] })).toMatch(/^rule denyTokens: token USDC 0x/)
    expect(judged({ denyPools: [addr(2)] })).toBe(`rule denyPools: pool ${addr(2)} of uniswap_v2 is denied`)
  })

  test('a pool that is too young is refused; one whose age is not known is not', () => {
    expect(judged({ minPoolAgeBlocks: 11 })).toBe(
      `rule minPoolAgeBlocks: pool ${addr(1)} is 10 blocks old, less than 11`,
    )
    expect(judged({ minPoolAgeBlocks: 10 })).toBeNull()
  })
})

test('depth is the worth of what a pool holds, at the rates that the route itself trades at', () => {
  const sides = new Map([
    [addr(2), sidesOf(v2Pool(10n ** 20n, 2n * 10n ** 20n, 2))],
    [addr(1), sidesOf(v2Pool(10n ** 20n, 10n ** 15n, 1))],
  ])
  // A loan of 10^18 raw is worth 10^18 wei, and each hop moves 1,000 raw: a raw unit is 10^15 wei.
  const found = opportunity({ sizeRaw: raw(10n ** 18n), profitRaw: raw(5n), profitWei: wei(5n) })
  const depths = depthsOf(found, sides)
  expect(depths.map(({ worthWei }) => worthWei)).toEqual([10n ** 35n, 2n * 10n ** 35n, 10n ** 30n, 10n ** 35n])
  const risk = { ...RiskSchema.parse({}), minDepthWei: wei(10n ** 30n + 1n) }
  expect(refusalBy(DEPTH_RULES, { risk, depths })).toBe(
    `rule minDepthWei: pool ${addr(1)} holds the worth of ${10n ** 30n} wei on one side, below ${10n ** 30n + 1n}`,
  )
})

test('a pool with ticks holds what its positions hold: all of one token where the price is outside them', () => {
  const liquidity = 10n ** 20n
  const [both0, both1] = sidesOf(v3Pool(0, [[-600, 600, liquidity]]))
  expect(both0 > 0n && both1 > 0n).toBe(true)
  expect(Number(both0) / Number(both1)).toBeCloseTo(1, 3)
  const above = sidesOf(v3Pool(660, [[-600, 600, liquidity]]))
  expect(above[0]).toBe(0n)
  expect(above[1] > both1).toBe(true)
})

test('a token that keeps part of a transfer, or cannot be sold, is refused with the figures', () => {
  const judgedProbe = (taxBps: number, fault: string | null, maxTokenTaxBps = 0) =>
    refusalBy(PROBE_RULES, {
      chain: { tokens },
      risk: { ...RiskSchema.parse({}), maxTokenTaxBps },
      probes: [{ token: USDC, taxBps, where: 'sold', fault }],
    })
  expect(judgedProbe(0, null)).toBeNull()
  expect(judgedProbe(1_000, null)).toBe(
    `rule maxTokenTaxBps: token USDC ${USDC} keeps 1,000 bps of what is sold, above 0`,
  )
  expect(judgedProbe(1_000, null, 1_000)).toBeNull()
  expect(judgedProbe(0, 'it cannot be sold: trading is not open')).toBe(
    `rule tokenProbe: token USDC ${USDC}: it cannot be sold: trading is not open`,
  )
})

test('what was found out holds for some blocks, of one chain instance, and not before it was found out', () => {
  const known = new Remembered<string, number>(10, 2)
  known.set('one', 'a', 100, 1)
  expect([99, 100, 110, 111].map((block) => known.get('one', 'a', block))).toEqual([undefined, 1, 1, undefined])
  known.set('one', 'b', 100, 2)
  known.set('one', 'c', 100, 3)
  expect(['a', 'b', 'c'].map((key) => known.get('one', key, 100))).toEqual([undefined, 2, 3])
  expect(known.get('two', 'c', 100)).toBeUndefined()
})
