import { expect, test } from 'vitest'
import type { LenderOption } from '../../../../agent/dex/lending/lenders.ts'
import { curveOf } from '../../../../agent/dex/search/curves.ts'
import { offersFor } from '../../../../agent/dex/search/offers.ts'
import type { Terms } from '../../../../agent/dex/search/terms.ts'
import { bestInput } from '../../../../agent/dex/search/walk.ts'
import type { Lender, PoolState } from '../../../../src/protocol/trade.ts'
import { type Address, gasUnits, raw, wei } from '../../../../src/protocol/units.ts'
import { addr, v2Pool } from '../../../fixtures/dex/pools.ts'
import { AAVE, cyclesOf, DAI, E18, statesOf, USDC, WETH } from '../../../fixtures/dex/search.ts'

const pools = [
  v2Pool(1_000n * E18, 3_300_000n * E18, 1, [WETH, DAI]),
  v2Pool(1_000n * E18, 3_000_000n * E18, 2, [WETH, DAI]),
]
const [hops] = cyclesOf(pools, [WETH]).filter(([first]) => first?.pool === addr(1))
if (!hops) throw new Error('there is no cycle')
const states = statesOf(pools)
const curves = hops.map((hop) => curveOf(states.get(hop.pool) as PoolState, hop.zeroForOne))
const best = bestInput(curves, 1, Number.POSITIVE_INFINITY)
if (!best) throw new Error('the cycle earns nothing')
const found = {
  cycle: 0,
  hops,
  pools: [0, 1],
  profit: best.output - best.input,
  size: best.input,
  curves: () => curves,
}
const terms: Terms = {
  ...{ token: WETH, rate: { numerator: 1n, denominator: 1n }, limitRaw: raw(1_000n * E18), baseFeeWei: wei(10n ** 9n) },
  ...{ l1FeeWei: () => wei(0n), tipBps: 0n, minProfitWei: wei(10n ** 13n) },
}
const option = (lender: Lender, maxRaw: bigint): LenderOption => ({
  ...{ lender, maxRaw: raw(maxRaw), gas: gasUnits(200_000n) },
})
const DEARER: Lender = { ...AAVE, address: addr(0xaa7f), premiumBps: 9 }
const PAIR: Lender = { kind: 'uniswap_v2', address: addr(3), premiumBps: 1, tokens: [WETH, USDC] }
const places = new Map<Address, number>([[PAIR.address, 7]])
const lendersOf = (options: readonly LenderOption[]) =>
  offersFor(found, terms, options, (lender) => places.get(lender)).map((offer) => offer.option.lender)

test('the cheapest lender that has enough is taken, and one that is dearer where that has too little', () => {
  expect(lendersOf([])).toEqual([])
  expect(lendersOf([option(AAVE, 1_000n * E18), option(DEARER, 1_000n * E18)])).toEqual([AAVE])
  expect(lendersOf([option(AAVE, E18), option(DEARER, 1_000n * E18)])).toEqual([DEARER])
})

test('a pool that lends is used: without it, the next best way is offered beside it', () => {
  expect(lendersOf([option(PAIR, 1_000n * E18), option(AAVE, 1_000n * E18)])).toEqual([PAIR, AAVE])
  const [first, second] = offersFor(found, terms, [option(PAIR, 900n * E18), option(AAVE, 900n * E18)], (lender) =>
    places.get(lender),
  )
  expect([first?.resources, second?.resources]).toEqual([
    [0, 1, 7],
    [0, 1],
  ])
})
