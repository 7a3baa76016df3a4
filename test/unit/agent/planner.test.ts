import { afterEach, beforeEach, expect, test } from 'vitest'
import { inNative, inToken } from '../../../agent/roles/chain-reads.ts'
import { floorRaw, planFor, planner } from '../../../agent/roles/planner.ts'
import { unlockPools } from '../../../agent/roles/pool-locks.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { keys, leases } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import type { Opportunity } from '../../../src/protocol/trade.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { contextOf } from '../../fixtures/agents.ts'
import { runOf } from '../../fixtures/bench.ts'
import { addr, hash, hop, INSTANCE, inspection, opportunity, WETH } from '../../fixtures/trade.ts'

let memory: SharedMemory
beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'test' })
  await head(100)
})
afterEach(() => memory.close())

const USDC = addr(0xc)
const tokens = [
  { address: WETH, symbol: 'WETH', decimals: 18 },
  { address: USDC, symbol: 'USDC', decimals: 6 },
]
const chain = { chainInstance: INSTANCE, weth: WETH, tokens, sandbox: true } as unknown as ChainInfo
const head = (number: number, at = now()) =>
  memory.write(keys.head, { chainInstance: INSTANCE, number, hash: hash(number), at, pools: 2 })

const plan = (found: Opportunity, id: `planner-${number}` = 'planner-1', known = true) => {
  const context = contextOf({ memory } as never, id, { chain: async () => chain })
  const { id: opportunityId, expiresBlock } = found
  const input = { opportunity: found, inspection: inspection(known) }
  const { signal } = new AbortController()
  return runOf(planner(), 'plan')({ input, opportunityId, attempt: 1, expiresBlock, signal }, context)
}
const holder = async (pool: `0x${string}`) => {
  const lease = await memory.lease(leases.pool(INSTANCE, pool), 'somebody else', 1_000)
  await lease?.release()
  return lease === undefined ? 'locked' : 'free'
}

test('a plan locks every pool of its route until the trade ends', async () => {
  const found = opportunity()
  expect(await plan(found)).toEqual({ outcome: 'ok', output: planFor(found) })
  expect([await holder(addr(1)), await holder(addr(2))]).toEqual(['locked', 'locked'])
  await unlockPools(memory, found.id, found)
  expect([await holder(addr(1)), await holder(addr(2))]).toEqual(['free', 'free'])
})

test('an opportunity that shares a pool with a live plan is refused, and keeps none of the pools it took', async () => {
  await plan(opportunity({ hops: [hop(2, true), hop(3, false)] }))
  const late = opportunity({ id: hash(2), hops: [hop(1, true), hop(2, false)] })
  expect(await plan(late)).toMatchObject({ outcome: 'refused', reason: expect.stringContaining(addr(2)) })
  expect([await holder(addr(1)), await holder(addr(3))]).toEqual(['free', 'locked'])
})

test('delivered again, to another planner too, an opportunity has the same answer', async () => {
  const first = await plan(opportunity())
  expect(await plan(opportunity(), 'planner-2')).toEqual(first)
  const late = opportunity({ id: hash(2) })
  const refused = await plan(late)
  await unlockPools(memory, opportunity().id, opportunity())
  expect(await plan(late, 'planner-2')).toEqual({ outcome: 'refused', reason: refused.reason })
})

test('a pool that lends is locked like those that are traded in', async () => {
  const lender = { kind: 'uniswap_v2', address: addr(7), premiumBps: 30, tokens: [WETH, USDC] } as const
  const found = opportunity({ lender: { ...lender, tokens: [...lender.tokens] } })
  expect(await plan(found)).toMatchObject({ outcome: 'ok' })
  expect(await holder(addr(7))).toBe('locked')
  await unlockPools(memory, found.id, found)
  expect(await holder(addr(7))).toBe('free')
})

test('unknown code, a token without a limit, a loan above it, and a profit that gas eats are refused in words', async () => {
  const refused = async (found: Opportunity, known = true) => (await plan(found, 'planner-1', known)).reason
  expect(await refused(opportunity(), false)).toMatch(/^rule knownCode: pool 0x.* has unknown code/)
  expect(await refused(opportunity({ id: hash(2), token: addr(0xd) }))).toMatch(
    /^rule limits.tokens: no limit is set for loans of 0x0+d$/,
  )
  const large = opportunity({ id: hash(3), token: USDC, sizeRaw: raw(700_000_000_000n) })
  expect(await refused(large)).toBe('rule maxInputRawPerTrade: the loan 700000000000 is above 600000000000')
  const poor = opportunity({ id: hash(4), gasWei: wei(2n * 10n ** 16n) })
  expect(await refused(poor)).toMatch(/^rule minProfit: .*below the floor/)
})

test('amounts of an old block, a head that stands still, and too much risk are refused with their figures', async () => {
  await head(108)
  expect(await plan(opportunity({ expiresBlock: 110, block: 99 }))).toMatchObject({
    outcome: 'refused',
    reason: 'rule maxHeadLagBlocks: its amounts are of block 99, 9 behind the head, above 8',
  })
  await head(100, new Date(Date.now() - 3_700_000).toISOString())
  expect(await plan(opportunity({ id: hash(2) }))).toMatchObject({
    reason: expect.stringMatching(/^rule maxHeadAgeSeconds: the newest block known, 100, is 37\d\d s old, above 3600/),
  })
  await head(100)
  const hops = [hop(1, true), hop(2, false), hop(3, true), { ...hop(4, false), kind: 'v3' as const }]
  const costly = opportunity({ id: hash(3), hops, gasWei: wei(9n * 10n ** 15n) })
  expect(await plan(costly)).toMatchObject({ reason: 'rule maxScore: the risk 100 is above 80' })
})

test('what a token other than the native one earns is counted at the rate of its opportunity', async () => {
  const [profitRaw, profitWei, gasWei] = [raw(30_000_000n), wei(10n ** 16n), wei(10n ** 15n)]
  const found = opportunity({ token: USDC, sizeRaw: raw(10n ** 10n), profitRaw, profitWei, gasWei })
  const { output } = await plan(found)
  expect(output).toMatchObject({ expectedProfitWei: profitWei, minProfitRaw: 3_000_000n + 2_700_000n })
  if (!output) throw new Error('there is no plan')
  expect(inNative(raw(15_000_001n), output)).toBe(5_000_000_333_333_333n)
  expect(inToken(5_000_000_333_333_333n, output)).toBe(15_000_001n)
})

test('the tip is passed on, and the floor holds after it', () => {
  const found = opportunity({ tipWei: wei(10n ** 15n) })
  const gas = 10n ** 14n
  const left = 10n ** 16n - 10n ** 15n - gas
  expect(planFor(found)).toMatchObject({ tipWei: 10n ** 15n, minProfitRaw: gas + left / 10n })
})

test('past expiresBlock nothing is claimed or locked', async () => {
  await head(109)
  expect(await plan(opportunity())).toMatchObject({ outcome: 'expired' })
  expect(await memory.read(keys.claim(opportunity().id))).toBeUndefined()
  expect(await holder(addr(1))).toBe('free')
})

test('the floor is the gas and a tenth of what is left above it', () => {
  expect(floorRaw(raw(1_100n), 100n)).toBe(200n)
  expect(floorRaw(raw(50n), 100n)).toBe(100n)
})
