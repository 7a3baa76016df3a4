import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readTotals } from '../../agent/roles/bookkeeping.ts'
import { OutboxSchema } from '../../agent/roles/sending/nonces.ts'
import { type Workflow, WorkflowSchema } from '../../agent/workflow-state.ts'
import { listAs } from '../../src/ports/memory/typed.ts'
import { keys } from '../../src/protocol/keys.ts'
import type { Totals } from '../../src/protocol/snapshot.ts'
import type { Address } from '../../src/protocol/units.ts'
import { until } from '../fixtures/agents.ts'
import type { Holdings, MinedTx } from '../fixtures/chain-ledger.ts'
import { startWatchedFleet, type WatchedFleet } from '../fixtures/fleet-in-process.ts'

const WANTED = 300
const LIMIT_MS = 300_000
const DRAIN_MS = 30_000
const LOOK_MS = 250

let watched: WatchedFleet
let before: Holdings
let after: Holdings
let totals: Totals
let workflows: Workflow[]
let executed: MinedTx[]
let reverted: MinedTx[]

beforeAll(
  async () => {
    watched = await startWatchedFleet('test-fuzz', { blockMs: 250, executors: 3, rivalPercent: 20, repeatPercent: 10 })
    const { fleet, ledger } = watched
    before = await ledger.holdings(ledger.head)
    const began = Date.now()
    await enough()
    const ms = Date.now() - began
    await fleet.stopBot()
    await until('every trade has ended', async () => (await readWorkflows()).every(({ ended }) => ended), DRAIN_MS)
    // What was given up may wait in the node's pool still: it is cancelled, or comes with the next block.
    await until('everything that was sent is final', isFinal, DRAIN_MS)
    // A transaction that the node seemed to have lost may be mined all the same: the books follow at the next head.
    const booked = async () => (await readBooks()).gasWei === sum(ledger.mined.map(({ gasWei }) => gasWei))
    await until('all gas that the chain took is in the books', booked, DRAIN_MS)
    after = await ledger.holdings(await ledger.stop())
    totals = await readBooks()
    workflows = await readWorkflows()
    executed = ledger.mined.filter((tx) => tx.ok && !isCancel(tx))
    reverted = ledger.mined.filter(({ ok }) => !ok)
    process.stdout.write(`${counts(ms)}\n`)
  },
  LIMIT_MS + 4 * DRAIN_MS,
)
afterAll(() => watched?.stop())

/** @throws when the time is over, with how far it came and what the agents said last */
async function enough(): Promise<void> {
  const end = Date.now() + LIMIT_MS
  for (let books = await readBooks(); books.executed < WANTED; books = await readBooks()) {
    if (Date.now() > end) {
      const { executed: trades, reverted: lost, refused, expired } = books
      const far = `${trades} executed, ${lost} reverted, ${refused} refused, ${expired} expired`
      const said = watched.fleet.lines.slice(-40).join('\n')
      throw new Error(`after ${LIMIT_MS / 1_000} s not yet ${WANTED} executed trades: ${far}\n${said}`)
    }
    await pause(LOOK_MS)
  }
}

/** What takes the nonce from a trade that came too late: nothing, to the sender himself. */
const isCancel = ({ from, to, input }: MinedTx): boolean => to === from && input === '0x'

async function isFinal(): Promise<boolean> {
  const { fleet, chain } = watched
  const boxes = await listAs(fleet.memory, keys.outboxes(chain.chainId), OutboxSchema)
  return boxes.every(({ slots }) => slots.every(({ released }) => released))
}

const readBooks = (): Promise<Totals> => readTotals(watched.fleet.memory, watched.chain.chainInstance)

/** Reading all of them is work for the process that also trades: not too often. */
async function readWorkflows(): Promise<Workflow[]> {
  await pause(LOOK_MS)
  return listAs(watched.fleet.memory, keys.workflows, WorkflowSchema)
}

function counts(ms: number): string {
  const { executed: trades, reverted: lost, refused, expired, profitWei, gasWei } = totals
  const { found, mischief, ledger } = watched
  const late = reverted.filter((tx) => tx.block > deadlineOf(tx)).length
  return [
    `fuzz: ${found.size} found in ${after.block - before.block} blocks and ${(ms / 1_000).toFixed(1)} s`,
    `trades: ${trades} executed, ${lost} reverted, ${refused} refused, ${expired} expired`,
    `chain: ${ledger.mined.length} transactions, ${executed.length} executed, ${reverted.length} reverted (${late} past their deadline), ${ledger.mined.filter(isCancel).length} cancelled`,
    `mischief: ${mischief.rivalled} rivalled, ${mischief.repeated} messages twice`,
    `profit ${profitWei} wei, gas ${gasWei} wei`,
  ].join(' · ')
}

/** The second argument of `execute`. */
const deadlineOf = ({ input }: MinedTx): number => Number(`0x${input.slice(10 + 64, 10 + 128)}`)

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)
const profitOf = (tx: MinedTx, base: Address): bigint =>
  sum(tx.executed.map(({ token, profitRaw }) => (token === base ? profitRaw : 0n)))
/** In native units, at the rate of its plan, rounded down. */
const worthOf = (tx: MinedTx): bigint => {
  const plan = watched.promised.get(tx.input)?.plan
  if (!plan) return 0n
  return sum(tx.executed.map(({ profitRaw }) => (profitRaw * plan.expectedProfitWei) / plan.expectedProfitRaw))
}

/** A rival moved a pool of its route in the same block, before it: it did not meet the state that it was promised on. */
function isRivalled({ hash, block, input }: MinedTx): boolean {
  const { ledger, rivals, promised } = watched
  const all = ledger.order.get(block) ?? []
  const pools = promised.get(input)?.plan.hops.map(({ pool }) => pool)
  return all.slice(0, all.indexOf(hash)).some((before) => {
    const moved = rivals.get(before)
    return moved !== undefined && pools?.includes(moved)
  })
}

test('at least 300 trades were executed, and the chain paid each exactly what was promised before it was signed', () => {
  expect(executed.length).toBeGreaterThanOrEqual(WANTED)
  for (const tx of executed.filter((each) => !isRivalled(each))) {
    const promise = watched.promised.get(tx.input)
    expect(tx.executed).toEqual([
      { opportunityId: promise?.plan.opportunityId, token: promise?.plan.token, profitRaw: promise?.predictedRaw },
    ])
    expect(promise?.head).toBeLessThan(tx.block)
  }
})

test('a trade that a rival came before reverts, but where the rival moved the price its way: it never pays less', () => {
  const rivalled = executed.filter(isRivalled)
  expect(rivalled.length).toBeLessThan(executed.length / 20)
  for (const tx of rivalled) {
    const promise = watched.promised.get(tx.input)
    expect(tx.executed).toMatchObject([{ opportunityId: promise?.plan.opportunityId, token: promise?.plan.token }])
    expect(tx.executed[0]?.profitRaw).toBeGreaterThanOrEqual(promise?.predictedRaw ?? 0n)
  }
  expect(reverted.some(isRivalled)).toBe(true)
})

test('no opportunity was executed twice, though messages came twice and attempts were repeated', () => {
  const ids = executed.flatMap((tx) => tx.executed.map(({ opportunityId }) => opportunityId))
  expect(new Set(ids).size).toBe(ids.length)
  expect(watched.mischief.repeated).toBeGreaterThan(0)
  expect([...watched.promised.values()].some(({ plan }) => plan.attempt > 1)).toBe(true)
})

test('every transaction of an executor is one that was promised or the cancel of one, and none escaped the reading of the blocks', () => {
  const { ledger, chain, promised, executors } = watched
  for (const tx of ledger.mined) {
    expect(executors).toContain(tx.from)
    if (isCancel(tx)) continue
    expect(tx.to).toBe(chain.executor?.address)
    expect(promised.has(tx.input)).toBe(true)
  }
  for (const [who, nonce] of after.nonces) {
    const sent = ledger.mined.filter(({ from }) => from === who).length
    expect(nonce - (before.nonces.get(who) ?? 0), who).toBe(sent)
  }
})

test('block by block the owner gained what the trades earned, token by token, and the contract holds nothing', () => {
  const { ledger, chain } = watched
  for (const base of chain.bases) {
    let earned = before.earned.get(base) ?? 0n
    for (let block = before.block + 1; block <= after.block; block++) {
      earned += sum(ledger.mined.filter((tx) => tx.block === block).map((tx) => profitOf(tx, base)))
      expect(ledger.earnedAfter.get(block)?.get(base), `block ${block}`).toBe(earned)
    }
  }
  for (const [token, amount] of after.atRest) expect(amount, token).toBe(0n)
  expect(after.contractWei).toBe(0n)
})

test('executors paid gas and nothing else, and what reverted left nothing behind', () => {
  const { ledger } = watched
  for (const [who, balance] of after.executorsWei) {
    const gas = sum(ledger.mined.filter(({ from }) => from === who).map(({ gasWei }) => gasWei))
    expect((before.executorsWei.get(who) ?? 0n) - balance, who).toBe(gas)
  }
  expect(reverted.length).toBeGreaterThan(0)
  for (const tx of reverted) expect(tx).toMatchObject({ logs: 0, executed: [] })
})

test('every trade that was found has ended once, and the books count each as the chain has it', async () => {
  const { found, ledger, fleet } = watched
  const ended = workflows.map(({ id }) => id)
  expect(new Set(ended)).toEqual(found)
  expect(totals.executed + totals.reverted + totals.refused + totals.expired).toBe(found.size)
  for (const state of ['executed', 'reverted', 'refused', 'expired'] as const) {
    expect(workflows.filter((workflow) => workflow.ended?.state === state).length, state).toBe(totals[state])
  }
  const onChain = new Set(executed.flatMap((tx) => tx.executed.map(({ opportunityId }) => opportunityId as string)))
  const inBooks = workflows.filter(({ ended: end }) => end?.state === 'executed')
  expect(new Set<string>(inBooks.map(({ id }) => id))).toEqual(onChain)
  const rivalled = new Set(executed.filter(isRivalled).map(({ executed: [said] }) => said?.opportunityId))
  const met = inBooks.filter(({ id }) => !rivalled.has(id as Address))
  for (const { review } of met) expect(review).toMatchObject({ exact: true, findings: [] })
  expect(totals.profitWei, 'profit in the books').toBe(sum(executed.map(worthOf)))
  expect(totals.gasWei, 'gas in the books, that of transactions given up as missed included').toBe(
    sum(ledger.mined.map(({ gasWei }) => gasWei)),
  )
  const trades = await fleet.history.read({ kind: 'trade', limit: 10_000 })
  expect(new Set(trades.map(({ id }) => id as Address))).toEqual(found)
})
