import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { signAndHash } from '../../../agent/dex/trade/send.ts'
import { executor as executorRole } from '../../../agent/roles/executor.ts'
import { decideFirst, type Intent, readIntent } from '../../../agent/roles/sending/intent.ts'
import { executorKey, keyAddress } from '../../../agent/sandbox/keys.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import type { Verdict } from '../../../src/protocol/trade.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { clearHalt, LIMITS } from '../../fixtures/agents.ts'
import { type Bench, type Signed, startBench, tampered } from '../../fixtures/bench.ts'

let bench: Bench
let executor: Signed
beforeAll(async () => {
  bench = await startBench('test-executor')
  executor = await bench.executor('executor-1')
})
afterAll(async () => {
  await executor.stop()
  await bench.stop()
})
beforeEach(() => clearHalt(bench.memory))

const nonce = async (block = 'pending'): Promise<number> =>
  Number(await bench.market.rpc.request<string>('eth_getTransactionCount', [bench.market.executor, block]))
/** Transactions of both keys, those in the pool too. */
const sentByAll = async (): Promise<number> => {
  const second = keyAddress(executorKey('test', 2))
  const count = await bench.market.rpc.request<string>('eth_getTransactionCount', [second, 'pending'])
  return (await nonce()) + Number(count)
}
const verdictOf = async (name: string): Promise<Verdict> => bench.verdict(await bench.plan(name))

test('a validated trade is executed, and pays what the verdict predicted, to the wei', async () => {
  const verdict = await verdictOf('good')
  const { outcome, output } = await bench.whileMining(executor.run(verdict))
  expect(outcome).toBe('ok')
  expect(output).toMatchObject({ status: 'executed', block: verdict.deadlineBlock, from: bench.market.executor })
  expect(output?.profitWei).toBe(verdict.predictedWei)
  expect(output?.gasWei).toBeGreaterThan(0n)
})

test('delivered twice, to two executors at once and once more afterwards, a trade is signed once', async () => {
  const other = await bench.executor('executor-2')
  const verdict = await verdictOf('twice')
  const before = await sentByAll()
  const both = await bench.whileMining(Promise.all([executor.run(verdict), other.run(verdict)]))
  const results = [...both, await other.run(verdict), await executor.run(verdict)]
  await other.stop()
  for (const result of results) expect(result).toEqual(results[0])
  expect(results[0]).toMatchObject({ outcome: 'ok', output: { status: 'executed' } })
  expect(await sentByAll()).toBe(before + 1)
})

test.each<[string, (memory: SharedMemory) => Promise<unknown>, RegExp]>([
  ['set', (memory) => clearHalt(memory, true, 'drill'), /^halted: drill$/],
  ['absent', (memory) => memory.write(keys.halt, undefined), /^halted: .*absent/],
  ['unreadable', (memory) => memory.write(keys.halt, 'neither'), /^halted: .*cannot be read/],
])('nothing is signed while halt is %s, and the refusal stands', async (how, set, reason) => {
  const verdict = await verdictOf(`halt ${how}`)
  const before = await nonce()
  await set(bench.memory)
  const refused = await executor.run(verdict)
  expect(refused).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(reason) })
  await clearHalt(bench.memory)
  expect(await executor.run(verdict)).toEqual(refused)
  expect(await nonce()).toBe(before)
  expect((await readIntent(bench.memory, verdict.tx.plan.opportunityId, 1))?.intent.signed).toEqual([])
})

test.each([
  ['maxInputRawPerTrade', { maxInputRawPerTrade: raw(1n) }],
  ['maxInputRawPerHour', { maxInputRawPerHour: raw(1n) }],
  ['maxGasPerTrade', { maxGasPerTrade: 100_000n }],
  ['maxFeePerGasWei', { maxFeePerGasWei: wei(1n) }],
])('the limit %s refuses by name and with its figures', async (rule, limit) => {
  const strict = await bench.executor('executor-2', { limits: { ...LIMITS, ...limit } })
  const before = await nonce()
  const { outcome, reason } = await strict.run(await verdictOf(rule))
  await strict.stop()
  expect(outcome).toBe('refused')
  expect(reason).toContain(rule)
  expect(reason).toContain(String(Object.values(limit)[0]))
  expect(await nonce()).toBe(before)
})

test('a verdict whose deadline the next block is past goes back as stale, and is not sent', async () => {
  const verdict = await verdictOf('stale')
  const before = await nonce()
  await bench.market.rpc.request('evm_mine')
  expect(await executor.run(verdict)).toMatchObject({ outcome: 'stale' })
  expect(await nonce()).toBe(before)
})

test('without --live nothing is sent', async () => {
  const dry = await bench.executor('executor-2', { live: false })
  expect(await dry.run(await verdictOf('dry'))).toMatchObject({
    outcome: 'refused',
    reason: expect.stringMatching(/dry run/),
  })
  await dry.stop()
})

test('an executor that died after it recorded the signed bytes is followed up: the same bytes are sent', async () => {
  const verdict = await verdictOf('died after signing')
  const signed = signAndHash(executorKey('test', 1), {
    chainId: bench.chain.chainId,
    nonce: await nonce(),
    to: verdict.tx.to,
    data: verdict.tx.data,
    gasLimit: verdict.tx.gasLimit,
    maxFeePerGasWei: LIMITS.maxFeePerGasWei,
    maxPriorityFeePerGasWei: wei(1n),
  })
  const fees = { maxFeePerGasWei: LIMITS.maxFeePerGasWei, maxPriorityFeePerGasWei: wei(1n) }
  const tx = { kind: 'trade' as const, ...signed, ...fees, block: verdict.validatedBlock, refused: null }
  await decideFirst(bench.memory, intent(verdict, { state: 'sent', signed: [tx] }))
  const { outcome, output } = await bench.whileMining(executor.run(verdict))
  expect(outcome).toBe('ok')
  expect(output?.tx).toBe(signed.hash)
})

test('an executor that died before it signed leaves an attempt that counts as missed once its deadline is past', async () => {
  const verdict = await verdictOf('died before signing')
  const before = await nonce()
  await decideFirst(bench.memory, intent(verdict, { state: 'intended' }))
  const { outcome, output } = await bench.whileMining(executor.run(verdict))
  expect(outcome).toBe('failed')
  expect(output).toMatchObject({ status: 'missed', tx: null })
  expect(await nonce()).toBe(before)
})

test('what the node loses is missed once its deadline is past', async () => {
  const rpc = tampered(bench.market.rpc, { eth_sendRawTransaction: () => '0x' })
  const unheard = await bench.executor('executor-2', { rpc: async () => rpc })
  const { outcome, output } = await bench.whileMining(unheard.run(await verdictOf('lost')))
  await unheard.stop()
  expect(outcome).toBe('failed')
  expect(output).toMatchObject({ status: 'missed', block: null, gasWei: 0n })
})

test('what the contract refuses is a revert that costs its gas and nothing else', async () => {
  // Funded, and not one of the contract's executors.
  const stranger = await bench.executor('executor-3', { keys: async () => [executorKey('stranger', 1)] })
  const { outcome, output } = await bench.whileMining(stranger.run(await verdictOf('not allowed')))
  await stranger.stop()
  expect(outcome).toBe('failed')
  expect(output).toMatchObject({ status: 'reverted', profitRaw: 0n, profitWei: 0n })
  expect(output?.gasWei).toBeGreaterThan(0n)
})

test('an executor whose key another one holds stands by until it is free', async () => {
  const first = await bench.executor('executor-2')
  const second = bench.context('executor-2')
  const stop = await executorRole().start?.(second)
  await expect.poll(() => second.standby.at(-1)).toMatch(/held by other executors/)
  await first.stop()
  await expect.poll(() => second.standby.at(-1), { timeout: 5_000 }).toBeNull()
  await stop?.()
})

const intent = (verdict: Verdict, over: Partial<Intent>): Intent => ({
  opportunityId: verdict.tx.plan.opportunityId,
  attempt: 1,
  chainInstance: 'test',
  agent: 'executor-9',
  state: 'intended',
  outcome: null,
  reason: null,
  from: null,
  fence: 1,
  nonce: null,
  signed: [],
  terms: {
    token: verdict.tx.plan.token,
    contract: verdict.tx.to,
    predictedWei: verdict.predictedWei,
    expectedProfitRaw: verdict.tx.plan.expectedProfitRaw,
    expectedProfitWei: verdict.tx.plan.expectedProfitWei,
  },
  deadlineBlock: verdict.deadlineBlock,
  execution: null,
  blockHash: null,
  corrected: null,
  at: now(),
  ...over,
})
