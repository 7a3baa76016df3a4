import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { readTotals } from '../../../agent/roles/bookkeeping.ts'
import { keys } from '../../../src/protocol/keys.ts'
import type { Verdict } from '../../../src/protocol/trade.ts'
import { wei } from '../../../src/protocol/units.ts'
import { clearHalt, until } from '../../fixtures/agents.ts'
import { type Bench, type Signed, startBench, tampered } from '../../fixtures/bench.ts'
import { memoryOver, sendingOn } from '../../fixtures/sending.ts'

let bench: Bench
let on: ReturnType<typeof sendingOn>
const running: Signed[] = []
beforeAll(async () => {
  bench = await startBench('test-finality')
  on = sendingOn(bench)
})
afterAll(() => bench.stop())
beforeEach(() => clearHalt(bench.memory))
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
})

async function start(id: 'executor-1' | 'executor-2', over?: Parameters<Bench['executor']>[1]): Promise<Signed> {
  const one = await bench.executor(id, over)
  running.push(one)
  return one
}
const verdictOf = async (name: string): Promise<Verdict> => bench.verdict(await bench.plan(name))
const reorg = (depth: number, transactions: unknown[] = []) =>
  bench.market.rpc.request('anvil_reorg', [depth, transactions])

/** Executes a trade in the next block, and counts it as the coordinator would. */
async function execute(executor: Signed, verdict: Verdict) {
  const executing = executor.run(verdict)
  await on.signed(verdict, 1)
  await on.mine()
  const { outcome, output } = await executing
  expect(outcome).toBe('ok')
  if (!output) throw new Error('it was executed and has no figures')
  const { profitWei, gasWei } = output
  await bench.memory.write(keys.totals('test'), {
    ...{ executed: 1, reverted: 0, refused: 0, expired: 0, counted: [verdict.tx.plan.opportunityId] },
    ...{ profitWei, gasWei },
  })
  return output
}
const totals = () => readTotals(bench.memory, 'test')
const correctionsOf = async ({ tx }: Verdict) =>
  (await on.events()).filter((e) => e.type === 'execution_corrected' && e.id === tx.plan.opportunityId)
const corrected = (verdict: Verdict, times: number) =>
  until(`${times} corrections`, async () => (await correctionsOf(verdict)).length === times)
const closed = () => until('all slots are closed', async () => (await on.outbox())?.slots.length === 0)

test('an execution is watched until its block is final, and then no more', async () => {
  const executor = await start('executor-1')
  await execute(executor, await verdictOf('final'))
  expect((await on.outbox())?.slots).toHaveLength(1)
  await on.mine()
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect((await on.outbox())?.slots).toHaveLength(1)
  await on.mine()
  await closed()
  expect((await on.outbox())?.floor).toBe(await on.nonce())
})

test('what a reorg takes back is missed, its figures leave the books, and its nonce goes to the next trade', async () => {
  const executor = await start('executor-1')
  const verdict = await verdictOf('gone')
  const before = await on.nonce()
  const { profitWei, gasWei } = await execute(executor, verdict)
  await reorg(1)
  await corrected(verdict, 1)
  expect(await on.stands(verdict)).toMatchObject({ status: 'missed', profitWei: 0n, gasWei: 0n, block: null })
  expect((await on.stands(verdict))?.reason).toMatch(/is no longer on the chain, and its deadline \d+ is past/)
  expect(await totals()).toMatchObject({ executed: 0, refused: 1, profitWei: 0n, gasWei: 0n })
  expect(await correctionsOf(verdict)).toMatchObject([{ was: 'executed', status: 'missed', profitWei: 0n }])
  // Whoever asks again is told what was answered first: the difference was told apart.
  expect(await executor.run(verdict)).toMatchObject({ outcome: 'ok', output: { profitWei, gasWei } })
  const next = await execute(executor, await verdictOf('after the reorg'))
  expect(await on.nonce()).toBe(before + 1)
  expect(next.status).toBe('executed')
})

test('what is mined again in another block is told with that block, and what it cost there', async () => {
  const executor = await start('executor-1')
  const verdict = on.lasting(await verdictOf('moved'), 3)
  const { block, tx } = await execute(executor, verdict)
  const { signed } = await on.intentOf(verdict)
  await on.mine()
  await reorg(2, [[signed[0]?.raw, 1]])
  await corrected(verdict, 1)
  const stands = await on.stands(verdict)
  expect(stands).toMatchObject({ status: 'executed', tx, block: (block ?? 0) + 1, profitWei: verdict.predictedWei })
  const receipt = await on.receipt(tx)
  expect(stands?.gasWei).toBe(BigInt(receipt?.gasUsed ?? 0) * BigInt(receipt?.effectiveGasPrice ?? 0))
  expect(await totals()).toMatchObject({ executed: 1, profitWei: stands?.profitWei, gasWei: stands?.gasWei })
})

test('what a reorg takes back before its deadline is sent again, and needs no correction but its block', async () => {
  const executor = await start('executor-1')
  const verdict = on.lasting(await verdictOf('again'), 5)
  const { block, tx } = await execute(executor, verdict)
  await reorg(1)
  await until('it is in the pool again', async () => {
    return (await bench.market.rpc.request('eth_getTransactionByHash', [tx])) !== null
  })
  await on.mine()
  await corrected(verdict, 1)
  expect(await on.stands(verdict)).toMatchObject({ status: 'executed', tx, block: (block ?? 0) + 1 })
  expect(await totals()).toMatchObject({ executed: 1, profitWei: verdict.predictedWei })
})

test('what is mined after it was called missed is corrected to a revert, with its reason and its gas', async () => {
  const first = await start('executor-1')
  const verdict = await verdictOf('late')
  const before = await on.head()
  const abandoned = first.run(verdict).catch(() => undefined)
  const { signed } = await on.signed(verdict, 1)
  await running.pop()?.stop()
  // The key is held by nobody, so nothing cancels it: another executor follows it up.
  const second = await start('executor-2')
  const following = second.run(verdict)
  for (let block = 0; block < 3; block++) await on.mineCrowded()
  expect(await following).toMatchObject({ outcome: 'failed', output: { status: 'missed', gasWei: 0n } })
  await abandoned
  await bench.memory.write(keys.totals('test'), { ...EMPTY, refused: 1 })
  await on.mine()
  await corrected(verdict, 1)
  const stands = await on.stands(verdict)
  expect(stands).toMatchObject({ status: 'reverted', tx: signed[0]?.hash, gasWei: await on.gasSince(before) })
  expect(stands?.reason).toMatch(/reverted in block \d+: DeadlinePassed: deadlineBlock \d+/)
  expect(await totals()).toMatchObject({ executed: 0, gasWei: stands?.gasWei })
  expect((await on.account()).entries.at(-1)).toMatchObject({ status: 'reverted', lostWei: stands?.gasWei })
})
const EMPTY = { executed: 0, reverted: 0, refused: 0, expired: 0, profitWei: wei(0n), gasWei: wei(0n), counted: [] }

test('what a dead executor watched, another goes on to watch; a correction that was cut short is finished', async () => {
  const mute = (name: string) => ({
    append: () => Promise.reject(new Error('dead')),
    read: (options?: { last?: number }) => bench.memory.stream(name).read(options),
  })
  const memory = memoryOver(bench.memory, { stream: mute })
  const first = await start('executor-1', { memory })
  const verdict = await verdictOf('taken over')
  await execute(first, verdict)
  await reorg(1)
  await until('it is recorded', async () => (await on.intentOf(verdict)).corrected?.number === 1)
  expect((await on.intentOf(verdict)).corrected?.before).not.toBeNull()
  await running.pop()?.stop()
  await start('executor-2')
  await corrected(verdict, 1)
  await until('it is booked', async () => (await on.intentOf(verdict)).corrected?.before === null)
  expect(await totals()).toMatchObject({ executed: 0, refused: 1, profitWei: 0n, gasWei: 0n })
})

test('what a host that was killed had sent enters the books as a correction, unless its trade lives on and counts it', async () => {
  for (const [name, lives] of [
    ['lost with its host', false],
    ['lives on', true],
  ] as const) {
    const memory = memoryOver(bench.memory, { write: (...write) => (dead ? never() : bench.memory.write(...write)) })
    let dead = false
    const first = await start('executor-1', { memory })
    const verdict = await verdictOf(name)
    const { opportunityId } = verdict.tx.plan
    const before = await on.head()
    await bench.memory.write(keys.totals('test'), EMPTY)
    if (lives) await bench.memory.write(keys.workflow(opportunityId), {})
    const lost = first.run(verdict).catch(() => undefined)
    await on.signed(verdict, 1)
    dead = true
    await on.mine()
    await running.pop()?.stop()
    await lost
    await start('executor-2')
    await on.miningUntil(until('it is settled', async () => (await on.intentOf(verdict)).state === 'done'))
    const { profitWei, gasWei } = (await on.stands(verdict)) ?? {}
    expect([profitWei, gasWei]).toEqual([verdict.predictedWei, await on.gasSince(before)])
    if (!lives) await corrected(verdict, 1)
    const counted = lives ? EMPTY : { executed: 1, refused: 0, profitWei, gasWei }
    expect(await totals()).toMatchObject(counted)
    expect(await correctionsOf(verdict)).toHaveLength(lives ? 0 : 1)
    await running.pop()?.stop()
  }
})
const never = (): never => {
  throw new Error('this process is dead')
}

test('a node that has the block and not the receipt corrects nothing', async () => {
  let blind = false
  const rpc = tampered(bench.market.rpc, {
    eth_getTransactionReceipt: (params) =>
      blind ? null : bench.market.rpc.request('eth_getTransactionReceipt', params),
  })
  const executor = await start('executor-1', { rpc: async () => rpc })
  const verdict = await verdictOf('blind')
  await execute(executor, verdict)
  blind = true
  for (let block = 0; block < 2; block++) await on.mine()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect((await on.intentOf(verdict)).corrected).toBeNull()
  blind = false
  await on.mine()
  await closed()
})
