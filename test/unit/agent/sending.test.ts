import { Transaction } from 'ethers'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { RpcError } from '../../../agent/dex/rpc/error.ts'
import type { Verdict } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { clearHalt } from '../../fixtures/agents.ts'
import { type Bench, type Signed, startBench, tampered } from '../../fixtures/bench.ts'
import { sendingOn } from '../../fixtures/sending.ts'

let bench: Bench
let on: ReturnType<typeof sendingOn>
beforeAll(async () => {
  bench = await startBench('test-sending')
  on = sendingOn(bench)
})
afterAll(() => bench.stop())
beforeEach(() => clearHalt(bench.memory))
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
})

const running: Signed[] = []
/** Holds the key of executor 1, until the test is over. */
async function start(over?: Parameters<Bench['executor']>[1]): Promise<Signed> {
  const one = await bench.executor('executor-1', over)
  running.push(one)
  return one
}
const verdictOf = async (name: string): Promise<Verdict> => bench.verdict(await bench.plan(name))
const bytesOf = (raw: Hex | undefined) => Transaction.from(raw ?? '0x')

test('a wanted trade that waits is replaced: the same nonce and call, a tenth more on both fees, one execution', async () => {
  const executor = await start(on.bidding())
  const verdict = on.lasting(await verdictOf('replaced'), 4)
  const before = { block: await on.head(), nonce: await on.nonce() }
  const executing = executor.run(verdict)
  await on.signed(verdict, 1)
  await on.mineCrowded()
  const { signed } = await on.signed(verdict, 2)
  await on.mine()
  const { outcome, output } = await executing
  const [first, second] = signed.map(({ raw }) => bytesOf(raw))
  expect(outcome).toBe('ok')
  expect(output).toMatchObject({ tx: signed[1]?.hash, profitWei: verdict.predictedWei })
  expect([second?.nonce, second?.data, second?.to]).toEqual([first?.nonce, first?.data, first?.to])
  expect((second?.maxFeePerGas ?? 0n) * 10n).toBeGreaterThanOrEqual((first?.maxFeePerGas ?? 0n) * 11n)
  expect((second?.maxPriorityFeePerGas ?? 0n) * 10n).toBeGreaterThanOrEqual((first?.maxPriorityFeePerGas ?? 0n) * 11n)
  expect(await on.nonce()).toBe(before.nonce + 1)
  expect(output?.gasWei).toBe(await on.gasSince(before.block))
})

test('past its deadline a trade is cancelled, and the gas of the cancel is the trade’s', async () => {
  const executor = await start()
  const verdict = await verdictOf('cancelled')
  const before = { block: await on.head(), nonce: await on.nonce() }
  const executing = executor.run(verdict)
  await on.signed(verdict, 1)
  await on.mineCrowded()
  const { signed } = await on.signed(verdict, 2)
  await on.mine()
  const { outcome, output } = await executing
  expect(outcome).toBe('failed')
  expect(output).toMatchObject({ status: 'missed', tx: signed[1]?.hash, gasUsed: 21_000n })
  expect(output?.reason).toMatch(/not mined by block \d+, and was cancelled in block \d+/)
  expect(bytesOf(signed[1]?.raw)).toMatchObject({ data: '0x', value: 0n, nonce: before.nonce })
  expect(output?.gasWei).toBe(await on.gasSince(before.block))
  expect((await on.account()).entries.at(-1)).toMatchObject({ status: 'missed', lostWei: output?.gasWei })
  expect(await on.nonce()).toBe(before.nonce + 1)
})

test('under halt nothing is replaced, and what is past its deadline is cancelled', async () => {
  const executor = await start(on.bidding())
  const verdict = on.lasting(await verdictOf('halted'), 1)
  const executing = executor.run(verdict)
  await on.signed(verdict, 1)
  await clearHalt(bench.memory, true, 'drill')
  await on.mineCrowded()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect((await on.intentOf(verdict)).signed).toHaveLength(1)
  await on.mineCrowded()
  expect((await on.signed(verdict, 2)).signed[1]?.kind).toBe('cancel')
  await on.mine()
  expect(await executing).toMatchObject({ outcome: 'failed', output: { status: 'missed' } })
})

test('trades of one key are in flight together, in order, and one that is refused leaves no gap behind', async () => {
  let refuse = 1
  const rpc = tampered(bench.market.rpc, {
    eth_sendRawTransaction: (params) => {
      if (refuse-- > 0) throw new RpcError('eth_sendRawTransaction', { code: -32_003, message: 'the pool is full' })
      return bench.market.rpc.request('eth_sendRawTransaction', params)
    },
  })
  const executor = await start({ rpc: async () => rpc })
  const plan = await bench.plan('refused')
  const first = await bench.verdict(plan)
  const second = await bench.verdict({ ...plan, opportunityId: `0x${'7e'.repeat(32)}` })
  const third = await bench.verdict({ ...plan, opportunityId: `0x${'7f'.repeat(32)}` })
  const before = { block: await on.head(), nonce: await on.nonce() }
  const executing = Promise.all([first, second, third].map((verdict) => executor.run(verdict)))
  const results = await bench.whileMining(executing)
  const of = (status: string) => results.filter(({ output }) => output?.status === status)
  expect(of('executed')).toHaveLength(1)
  expect(of('missed')).toMatchObject([{ reason: expect.stringContaining('the pool is full'), output: { gasWei: 0n } }])
  // The same route once more in the same block: it finds no profit there, and says so.
  expect(of('reverted')).toMatchObject([{ reason: expect.stringMatching(/reverted in block \d+: ProfitBelowFloor/) }])
  expect(await on.nonce()).toBe(before.nonce + 2)
  const booked = results.reduce((sum, { output }) => sum + (output?.gasWei ?? 0n), 0n)
  expect(booked).toBe(await on.gasSince(before.block))
})

test('what the node lost is sent again while it is wanted', async () => {
  const executor = await start()
  const verdict = on.lasting(await verdictOf('lost and found'), 3)
  const executing = executor.run(verdict)
  const { signed } = await on.signed(verdict, 1)
  await bench.market.rpc.request('anvil_dropTransaction', [signed[0]?.hash])
  await on.mine()
  await on.signed(verdict, 1)
  await on.mine()
  expect(await executing).toMatchObject({ outcome: 'ok', output: { tx: signed[0]?.hash } })
})

test('a nonce that somebody else used with the key is not used again', async () => {
  const executor = await start()
  const verdict = await verdictOf('foreign')
  const { rpc } = bench.market
  await rpc.request('anvil_impersonateAccount', [on.from])
  await rpc.request('eth_sendTransaction', [{ from: on.from, to: on.from, gas: '0x5208', gasPrice: '0x174876e800' }])
  await rpc.request('anvil_stopImpersonatingAccount', [on.from])
  expect(await bench.whileMining(executor.run(verdict))).toMatchObject({ outcome: 'failed' })
  const next = await bench.whileMining(executor.run(await verdictOf('after the foreign one')))
  expect(next).toMatchObject({ outcome: 'ok' })
})

test('a private chain is sent to its private RPC alone, and without one nothing is sent', async () => {
  const sent: string[] = []
  const note = (name: string) =>
    tampered(bench.market.rpc, {
      eth_sendRawTransaction: (params) => {
        sent.push(name)
        return bench.market.rpc.request('eth_sendRawTransaction', params)
      },
    })
  const [own, open] = [note('private'), note('public')]
  const chain = async () => ({ ...bench.chain, submit: 'private' as const })
  const executor = await start({ chain, rpc: async () => open, submitRpc: async () => own })
  expect(await bench.whileMining(executor.run(await verdictOf('private')))).toMatchObject({ outcome: 'ok' })
  expect(sent).toEqual(['private'])
  await running.pop()?.stop()
  const without = await start({ chain, rpc: async () => open })
  await expect(without.run(await verdictOf('nowhere'))).rejects.toThrow(/private RPC/)
  expect(sent).toEqual(['private'])
})
