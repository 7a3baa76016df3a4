import { expect, test } from 'vitest'
import { addTo } from '../../../agent/roles/bookkeeping.ts'
import { stageTimes, tradeEntry } from '../../../agent/roles/ledger.ts'
import { begin } from '../../../agent/workflow.ts'
import type { Workflow } from '../../../agent/workflow-state.ts'
import { toJson } from '../../../src/protocol/json.ts'
import { LedgerEntrySchema } from '../../../src/protocol/ledger.ts'
import type { Execution, TradePlan } from '../../../src/protocol/trade.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { AT, execution, opportunity, plan, verdict } from '../../fixtures/trade.ts'
import { run } from '../../fixtures/trade-network.ts'

const chain = { chainId: 31_337, tokens: [] }
const ENDED = '2026-01-01T00:00:01.500Z'

function ended(state: 'executed' | 'reverted', over: Partial<Execution> = {}, of: Partial<TradePlan> = {}): Workflow {
  const { workflow } = begin({ opportunity: opportunity(), traceparent: 't', live: true })
  const done = execution({ status: state, ...over })
  return {
    ...workflow,
    attempt: 2,
    mined: { verdict: verdict({}, of), execution: done },
    gasWei: wei(done.gasWei + 77n),
    ended: { state, reason: null, at: ENDED },
  }
}

test('an executed trade: gross is what the premium, the tip and the profit came out of; net what gas left of it', () => {
  const entry = tradeEntry(ended('executed', { tipWei: wei(5n), l1FeeWei: wei(9n) }), chain)
  expect(LedgerEntrySchema.parse(toJson(entry))).toMatchObject({ entry: 'trade', state: 'executed', attempts: 2 })
  const premiumWei = 5n * 10n ** 14n // 5 bps of the loan of 1
  expect(entry).toMatchObject({
    ...{ premiumWei, tipWei: 5n, l1FeeWei: 9n, profitWei: 10n ** 16n, predictedWei: 10n ** 16n },
    grossWei: 10n ** 16n + premiumWei + 5n,
    gasWei: 3n * 10n ** 14n + 77n,
    netWei: 10n ** 16n - 3n * 10n ** 14n - 77n,
    ...{ lender: 'aave_v3', venues: ['uniswap_v2', 'uniswap_v2'], block: 101, totalMs: 1_500 },
  })
})

test('what is in another token is counted at the rate of its plan', () => {
  const rate = { expectedProfitRaw: raw(2_000n), expectedProfitWei: wei(10n ** 15n), sizeRaw: raw(1_000_000n) }
  expect(tradeEntry(ended('executed', {}, rate), chain)?.premiumWei).toBe(500n * (10n ** 15n / 2_000n))
})

test('a revert costs gas alone; what reached no block is not in the ledger', () => {
  const entry = tradeEntry(ended('reverted', { profitRaw: raw(0n), profitWei: wei(0n) }), chain)
  expect(entry).toMatchObject({ state: 'reverted', grossWei: 0n, premiumWei: 0n, netWei: -(3n * 10n ** 14n) - 77n })
  const { workflow } = begin({ opportunity: opportunity(), traceparent: 't', live: false })
  expect(tradeEntry(workflow, chain)).toBeUndefined()
  expect(tradeEntry({ ...workflow, ended: { state: 'dry_run', reason: null, at: AT } }, chain)).toBeUndefined()
})

test('a trade that was cancelled costs the gas of what took its nonce, whatever it was mended to afterwards', () => {
  const { workflow } = begin({ opportunity: opportunity(), traceparent: 't', live: true })
  const cancel = { status: 'missed' as const, profitRaw: raw(0n), profitWei: wei(0n), gasWei: wei(21_000n) }
  const over = { gasWei: wei(21_000n), ended: { state: 'refused' as const, reason: 'no profit left', at: ENDED } }
  const last: Workflow = { ...workflow, ...over, plan: plan(), execution: execution(cancel) }
  const entry = tradeEntry(last, chain)
  expect(LedgerEntrySchema.parse(toJson(entry))).toMatchObject({
    state: 'missed',
    venues: ['uniswap_v2', 'uniswap_v2'],
  })
  expect(entry).toMatchObject({ grossWei: 0n, gasWei: 21_000n, netWei: -21_000n, block: 101 })
  expect(tradeEntry({ ...last, execution: null }, chain)).toMatchObject({ gasWei: 21_000n, tx: null, block: null })
  expect(tradeEntry({ ...last, gasWei: wei(0n) }, chain)).toBeUndefined()
  const sums = addTo(undefined, last)
  expect(entry?.netWei).toBe((sums?.profitWei ?? 0n) - (sums?.gasWei ?? 0n))
})

test('net adds up with what status counts', () => {
  const trades = [
    ended('executed'),
    { ...ended('reverted', { profitWei: wei(0n) }), id: `0x${'22'.repeat(32)}` as const },
  ]
  const sums = trades.reduce((now, trade) => addTo(now, trade) ?? now, undefined as ReturnType<typeof addTo>)
  const net = trades.reduce((sum, trade) => sum + (tradeEntry(trade, chain)?.netWei ?? 0n), 0n)
  expect(net).toBe((sums?.profitWei ?? 0n) - (sums?.gasWei ?? 0n))
})

test('a workflow keeps when each of its results was there; a clock that is behind makes no time negative', () => {
  const { workflow } = run(() => ({ outcome: 'ok' }), 100, [])
  expect(workflow.timeline.map(({ stage }) => stage)).toEqual([
    'inspect',
    'plan',
    'build',
    'validate',
    'execute',
    'review',
  ])
  const at = (ms: number) => new Date(Date.parse(AT) + ms).toISOString()
  const timeline = [
    { stage: 'inspect' as const, attempt: 1, startedAt: at(20), ms: 5 },
    { stage: 'plan' as const, attempt: 1, startedAt: at(24), ms: 10 },
    { stage: 'build' as const, attempt: 1, startedAt: at(40), ms: 1 },
  ]
  expect(stageTimes({ timeline, startedAt: AT })).toEqual([
    { stage: 'inspect', attempt: 1, waitMs: 20, workMs: 5 },
    { stage: 'plan', attempt: 1, waitMs: 0, workMs: 10 },
    { stage: 'build', attempt: 1, waitMs: 6, workMs: 1 },
  ])
})
