import { afterAll, beforeAll, expect, test } from 'vitest'
import { probeRoute } from '../../../../agent/dex/trade/probe.ts'
import { PROBE_CODE } from '../../../../agent/dex/trade/probe-code.ts'
import type { Hop } from '../../../../src/protocol/trade.ts'
import { type Address, raw } from '../../../../src/protocol/units.ts'
import { type StrangeMarket, startStrangeMarket, type Way } from '../../../fixtures/strange-market.ts'

const TRADER: Address = '0x00000000000000000000000000000000000000ab'
const SIGNER: Address = '0x00000000000000000000000000000000000000ac'
let market: StrangeMarket
beforeAll(async () => {
  market = await startStrangeMarket('test-probe')
})
afterAll(() => market.stop())

async function probe(hops: Hop[], over: { weth?: Address | null; holders?: Address[]; amount?: bigint } = {}) {
  const { weth = market.weth, holders = [], amount = 10n ** 18n } = over
  const blockHash = await market.head()
  const request = { hops, amountRaw: raw(amount), trader: TRADER, from: SIGNER, weth, holders, blockHash }
  return probeRoute(market.rpc, request)
}

test('the committed code is what solc makes of the committed source', async () => {
  const script = new URL('../../../../agent/contracts/probe-code.mjs', import.meta.url).href
  const { compileProbe } = (await import(script)) as { compileProbe(): string }
  expect(compileProbe()).toBe(PROBE_CODE)
})

const routes = (['v2', 'v3', 'v4'] as const).flatMap((buy) =>
  (['v2', 'v3', 'v4'] as const).filter((sell) => sell !== buy).map((sell) => [buy, sell] as const),
)

test.each(routes)('an honest token keeps nothing, bought at %s and sold at %s', async (buy, sell) => {
  await market.become('Honest')
  const clean = { token: market.token, taxBps: 0, fault: null }
  expect(await probe(market.route(buy, sell))).toMatchObject([clean])
  await market.become('ReturnsNothing')
  expect(await probe(market.route(buy, sell))).toMatchObject([clean])
})

const BAD: [Way, { taxBps?: number; fault?: unknown }][] = [
  ['TakesFee', { taxBps: 1_000 }],
  ['TakesTwice', { fault: expect.stringMatching(/cannot be/) }],
  ['Salmonella', { taxBps: 1_000 }],
  ['OneWay', { fault: expect.stringMatching(/cannot be sold: trading is not open/) }],
  ['ReturnsFalse', { fault: expect.stringMatching(/cannot be (bought|sent on)/) }],
  ['Grows', { fault: expect.stringMatching(/arrive where/) }],
]
test.each(BAD.flatMap(([way, found]) => routes.map((route) => [way, ...route, found] as const)))(
  'a token that %s is found out, bought at %s and sold at %s',
  async (way, buy, sell, found) => {
    await market.become(way)
    expect(await probe(market.route(buy, sell))).toMatchObject([{ token: market.token, ...found }])
  },
)

test('a cap on transfers shows at the size that is to be traded', async () => {
  await market.become('Capped')
  expect(await probe(market.route('v2', 'v3'), { amount: 10n ** 16n })).toMatchObject([{ fault: null }])
  expect(await probe(market.route('v2', 'v3'), { amount: 2n * 10n ** 18n })).toMatchObject([
    { fault: expect.stringMatching(/cannot be (bought|sent on)/) },
  ])
})

test('a base that cannot be wrapped is taken from somebody who holds it, and without one nothing is said', async () => {
  await market.become('Honest')
  const hops = market.route('v2', 'v3')
  const holders = market.venues.slice(2) as Address[]
  expect(await probe(hops, { weth: null, holders })).toMatchObject([{ taxBps: 0, fault: null }])
  expect(await probe(hops, { weth: null })).toBeUndefined()
  expect(await probe(hops, { weth: null, holders: [SIGNER] })).toBeUndefined()
})
