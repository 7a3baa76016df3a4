import { expect, test } from 'vitest'
import { booked, emptyAccount, entryOf } from '../../../agent/roles/sending/account.ts'
import { limitBroken, type Situation } from '../../../agent/roles/sending/limits.ts'
import { spend } from '../../../agent/roles/sending/spending.ts'
import type { Execution } from '../../../src/protocol/trade.ts'
import { gasUnits, raw, wei } from '../../../src/protocol/units.ts'
import { LIMITS } from '../../fixtures/agents.ts'
import { addr, execution, hash, verdict, WETH } from '../../fixtures/trade.ts'

const NOW = '2026-01-01T12:00:00.000Z'
const DAI = addr(0xda1)
const chain = { weth: WETH, tokens: [{ address: DAI, symbol: 'DAI', decimals: 18 }] }
const lost = (n: number, over: Partial<Execution> = {}) =>
  execution({ opportunityId: hash(n), status: 'reverted', profitRaw: raw(0n), profitWei: wei(0n), at: NOW, ...over })
const accountOf = (executions: Execution[], under: string | null = null) =>
  executions.reduce((account, each) => booked(account, entryOf(each, under)), emptyAccount())

const situation = (over: Partial<Situation> = {}): Situation => ({
  verdict: verdict(),
  limits: LIMITS,
  chain,
  head: { number: 100, timestamp: Date.parse(NOW) / 1_000, feePerGasWei: 1_000_000_000n },
  nowMs: Date.parse(NOW),
  account: emptyAccount(),
  under: null,
  ...over,
})

test('what no rule is against may be signed', () => {
  expect(limitBroken(situation())).toBeUndefined()
})

const strict = (limits: Partial<typeof LIMITS>) => ({ limits: { ...LIMITS, ...limits } })
const ofDai = verdict({}, { token: DAI, sizeRaw: raw(101n) })
const dai = (max: bigint) => ({ tokens: { dai: { maxInputRawPerTrade: raw(max), maxInputRawPerHour: raw(max) } } })
const late = { ...situation().head, number: 103 }
const dear = { ...situation().head, feePerGasWei: 40_000_000_000n }

test.each<[string, RegExp, Partial<Situation>]>([
  [
    'maxHeadAgeSeconds',
    /block 100 is 61 s old, above 60$/,
    { ...strict({ maxHeadAgeSeconds: 60 }), nowMs: Date.parse(NOW) + 61_900 },
  ],
  ['maxHeadLagBlocks', /block 100, .* is 3 behind, above 2$/, { head: late, ...strict({ maxHeadLagBlocks: 2 }) }],
  ['tokens', new RegExp(`${DAI} is not one that may be borrowed`), { verdict: ofDai, ...strict({ tokens: {} }) }],
  ['maxInputRawPerTrade', /the loan 1000000000000000000 is above 7$/, strict({ maxInputRawPerTrade: raw(7n) })],
  ['maxInputRawPerTrade', /the loan 101 is above 100$/, { verdict: ofDai, ...strict(dai(100n)) }],
  ['maxGasPerTrade', /the gas limit 600000 is above 5$/, strict({ maxGasPerTrade: 5n })],
  ['maxFeePerGasWei', /gas costs 1000000000, above 9$/, strict({ maxFeePerGasWei: wei(9n) })],
  [
    'profit',
    /^limit profit: 10000000000000000 wei does not pay 300000 gas at 40000000000, 12000000000000000$/,
    { head: dear },
  ],
  [
    'maxLossWeiPerDay',
    /120 lost today, at or above 100$/,
    { ...strict({ maxLossWeiPerDay: wei(100n) }), account: accountOf([lost(1, { gasWei: wei(120n) })]) },
  ],
  [
    'maxFailuresInARow',
    /2 trades reverted one after another, at or above 2; arbdeck resume/,
    { ...strict({ maxFailuresInARow: 2 }), account: accountOf([lost(1), lost(2)]) },
  ],
])('the limit %s refuses by its name, with its figures', (rule, figures, over) => {
  const broken = limitBroken(situation(over))
  expect(broken).toMatch(figures)
  expect(broken?.startsWith(`limit ${rule}: `)).toBe(true)
})

test('a token that is named by its symbol may be borrowed up to its own limit', () => {
  expect(limitBroken(situation({ verdict: ofDai, ...strict(dai(101n)) }))).toBeUndefined()
})

test('profits of the day make up for its losses, and another day begins at nothing', () => {
  const limits = { ...LIMITS, maxLossWeiPerDay: wei(100n) }
  const won = execution({ opportunityId: hash(2), profitWei: wei(50n), gasWei: wei(20n), at: NOW })
  const account = accountOf([lost(1, { gasWei: wei(120n) }), won])
  expect(limitBroken(situation({ limits, account }))).toBeUndefined()
  const yesterday = accountOf([lost(1, { gasWei: wei(120n), at: '2025-12-31T23:59:59.000Z' })])
  expect(limitBroken(situation({ limits, account: yesterday }))).toBeUndefined()
})

test('a success ends the row of failures, what was missed does not, and an operator’s resume does', () => {
  const limits = { ...LIMITS, maxFailuresInARow: 2 }
  const stopped = (executions: Execution[], under: string | null = null) =>
    limitBroken(situation({ limits, account: accountOf(executions), under })) !== undefined
  expect(stopped([lost(1), lost(2)])).toBe(true)
  expect(stopped([lost(1), execution({ opportunityId: hash(3) }), lost(2)])).toBe(false)
  expect(stopped([lost(1), lost(3, { status: 'missed' }), lost(2)])).toBe(true)
  expect(stopped([lost(1), lost(2)], '2026-01-01T13:00:00.000Z')).toBe(false)
})

test('the loans of an hour are summed by token, each once', () => {
  const limits = { maxInputRawPerHour: raw(10n) }
  const loan = (id: string, atMs: number, inputRaw: bigint) => ({ id, atMs, inputRaw: raw(inputRaw) })
  const first = spend([], loan('a', 0, 6n), limits)
  const spending = 'spending' in first ? first.spending : []
  expect(spend(spending, loan('a', 1, 6n), limits)).toEqual({ spending })
  expect(spend(spending, loan('b', 1, 5n), limits)).toEqual({
    refused: 'limit maxInputRawPerHour: 6 of this hour and 5 are above 10',
  })
  expect(spend(spending, loan('b', 3_600_001, 5n), limits)).toEqual({ spending: [loan('b', 3_600_001, 5n)] })
})

test('gas that the plan’s tip leaves is what counts: the profit rule looks at what is kept', () => {
  const kept = verdict({ predictedWei: wei(1n), gasUsed: gasUnits(1n) })
  expect(limitBroken(situation({ verdict: kept }))).toMatch(/^limit profit: 1 wei does not pay 1 gas/)
})
