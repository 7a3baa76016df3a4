import { Transaction } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadPools } from '../../../../agent/dex/pools/load.ts'
import { RpcError } from '../../../../agent/dex/rpc/error.ts'
import type { Rpc } from '../../../../agent/dex/rpc.ts'
import { findCycles } from '../../../../agent/dex/search/cycles.ts'
import { requote } from '../../../../agent/dex/search/size.ts'
import { atEachHead } from '../../../../agent/dex/state/each-head.ts'
import { encodeExecute, withDeadline, withFloor } from '../../../../agent/dex/trade/build.ts'
import {
  addressOfKey,
  fieldsOf,
  knowsAny,
  readAccount,
  readHead,
  receiptOfAny,
  sendRaw,
  signAndHash,
} from '../../../../agent/dex/trade/send.ts'
import { adverseStates, simulateExecute } from '../../../../agent/dex/trade/simulate.ts'
import { executorKey } from '../../../../agent/sandbox/keys.ts'
import type { Hop, TradePlan } from '../../../../src/protocol/trade.ts'
import { gasUnits, type Hex, raw, wei } from '../../../../src/protocol/units.ts'
import { until } from '../../../fixtures/agents.ts'
import { startMarket, type TestMarket } from '../../../fixtures/market.ts'

let market: TestMarket
let rpc: Rpc
const KEY = executorKey('test', 1) as Hex

beforeAll(async () => {
  market = await startMarket('test-send')
  rpc = market.rpc
})
afterAll(() => market?.stop())

const fields = async (change = {}) => ({
  chainId: 31337,
  nonce: (await readAccount(rpc, addressOfKey(KEY))).nonce,
  to: market.stranger,
  data: '0x' as Hex,
  gasLimit: gasUnits(21_000n),
  maxFeePerGasWei: wei(3_000_000_000n),
  maxPriorityFeePerGasWei: wei(7n),
  ...change,
})

test('a signed transaction carries exactly what it was given, and its hash is known before it is sent', async () => {
  const given = await fields()
  const signed = signAndHash(KEY, given)
  const parsed = Transaction.from(signed.raw)
  expect(parsed.from?.toLowerCase()).toBe(market.executor)
  expect(parsed.hash).toBe(signed.hash)
  expect([parsed.type, parsed.nonce, parsed.value, parsed.gasLimit]).toEqual([2, given.nonce, 0n, 21_000n])
  expect([parsed.maxFeePerGas, parsed.maxPriorityFeePerGas, parsed.chainId]).toEqual([3_000_000_000n, 7n, 31337n])
  expect(await sendRaw(rpc, signed)).toBe(signed.hash)
  expect(await sendRaw(rpc, signed)).toBe(signed.hash) // sent again: the same, no error
  await rpc.request('evm_mine')
  const receipt = await receiptOfAny(rpc, [signed.hash])
  expect(receipt).toMatchObject({ status: '0x1', transactionHash: signed.hash })
})

test('a nonce that is used up is the node’s refusal', async () => {
  const { nonce } = await fields()
  await expect(sendRaw(rpc, signAndHash(KEY, await fields({ nonce: nonce - 1, data: '0x01' })))).rejects.toBeInstanceOf(
    RpcError,
  )
})

test('of several transactions of one nonce the one that is in a block has the receipt, and a replaced one is not known', async () => {
  const first = signAndHash(KEY, await fields())
  const second = signAndHash(KEY, await fields({ maxFeePerGasWei: wei(4_000_000_000n) }))
  await sendRaw(rpc, first)
  await sendRaw(rpc, second)
  const hashes = [first.hash, second.hash]
  expect(await receiptOfAny(rpc, hashes)).toBeNull()
  expect([await knowsAny(rpc, [first.hash]), await knowsAny(rpc, hashes)]).toEqual([false, true])
  await rpc.request('evm_mine')
  expect((await receiptOfAny(rpc, hashes))?.transactionHash).toBe(second.hash)
})

test('what is looked for at each head is looked for at once, and the looking ends with the signal', async () => {
  const heads: number[] = []
  const life = new AbortController()
  const looking = atEachHead(rpc, life.signal, async () => {
    heads.push(Number(await rpc.request<string>('eth_blockNumber')))
    return heads.length > 2 ? heads.length : undefined
  })
  await until('a look', () => heads.length === 1)
  await rpc.request('evm_mine')
  await until('another', () => heads.length === 2)
  await rpc.request('evm_mine')
  expect(await looking).toBe(3)
  expect(heads.map((head) => head - (heads[0] ?? 0))).toEqual([0, 1, 2])
  const aborted = atEachHead(rpc, life.signal, async () => undefined)
  life.abort(new Error('stopped'))
  await expect(aborted).rejects.toThrow('stopped')
})

test('the fields of a signed transaction are those that were signed', async () => {
  const given = await fields({ data: '0x1234' })
  expect(fieldsOf(signAndHash(KEY, given).raw)).toEqual(given)
})

/** A round trip through two pools that earns nothing: the floor is what is varied. */
async function plan(kinds: readonly Hop['kind'][]): Promise<TradePlan> {
  const { pools, weth, lenders } = market.market
  const [lender] = lenders
  const cycle = findCycles(pools, weth).find((hops) => hops.map((hop) => hop.kind).join() === kinds.join())
  const states = await loadPools(rpc, pools, (await readHead(rpc)).hash)
  if (!cycle || !lender) throw new Error('the market has no such route')
  const hops = requote(cycle, new Map(states.map((state) => [state.address, state])), raw(10n ** 18n))
  return {
    opportunityId: `0x${'11'.repeat(32)}`,
    chainInstance: 'test',
    attempt: 1,
    block: 1,
    token: weth,
    lender,
    hops,
    sizeRaw: raw(10n ** 18n),
    expectedProfitRaw: raw(0n),
    expectedProfitWei: wei(0n),
    minProfitRaw: raw(0n),
    riskScore: 0,
    expiresBlock: 100,
  }
}

const call = async (data: Hex, overrides = {}) => ({
  from: market.executor,
  to: market.market.executor.address,
  data,
  gasLimit: gasUnits(2_000_000n),
  head: await readHead(rpc),
  overrides,
})

const gainOf = (result: { ok: boolean; returnData?: Hex }) => (result.ok ? BigInt(result.returnData as Hex) : null)

test('a simulation runs in the next block: a deadline at that block passes, one at the head does not', async () => {
  const trade = await plan(['v2', 'v2'])
  const head = Number((await readHead(rpc)).number)
  const better = await adverseStates(
    rpc,
    { ...(trade.hops[0] as Hop), zeroForOne: !trade.hops[0]?.zeroForOne },
    await readHead(rpc),
    [500],
  )
  const overrides = better[0]?.overrides ?? {}
  const data = encodeExecute(trade, head + 1)
  const passes = await simulateExecute(rpc, await call(data, overrides))
  expect(passes).toMatchObject({ ok: true })
  expect(passes.ok && passes.gasUsed).toBeGreaterThan(150_000n)
  expect(passes.ok && passes.logs?.length).toBeGreaterThan(5)
  expect(gainOf(passes)).toBeGreaterThan(0n)
  const late = await simulateExecute(rpc, await call(withDeadline(data, head), overrides))
  expect(late.ok).toBe(false)
  expect(!late.ok && late.revertData.length).toBeGreaterThan(10)
  const greedy = await simulateExecute(rpc, await call(withFloor(data, raw(10n ** 24n)), overrides))
  expect(greedy.ok).toBe(false)
})

test('where the node has no eth_simulateV1, eth_call says the same', async () => {
  const old: Rpc = {
    ...rpc,
    request: (method, params) =>
      method === 'eth_simulateV1'
        ? Promise.reject(new RpcError(method, { code: -32601, message: 'the method eth_simulateV1 does not exist' }))
        : rpc.request(method, params),
  }
  const trade = await plan(['v2', 'v2'])
  const first = trade.hops[0] as Hop
  const head = await readHead(rpc)
  const [better] = await adverseStates(rpc, { ...first, zeroForOne: !first.zeroForOne }, head, [500])
  const data = encodeExecute(trade, Number(head.number) + 1)
  const request = await call(data, better?.overrides)
  const [now, before] = [await simulateExecute(rpc, request), await simulateExecute(old, request)]
  expect(before).toMatchObject({ ok: true, gasUsed: null, logs: null })
  expect(gainOf(before)).toBe(gainOf(now))
  const losing = await call(data)
  const [lost, lostToo] = [await simulateExecute(rpc, losing), await simulateExecute(old, losing)]
  expect(!lost.ok && !lostToo.ok && lost.revertData === lostToo.revertData && lost.revertData.length > 10).toBe(true)
})

test('a block that is no longer on the chain is not simulated on', async () => {
  const request = await call('0x')
  const gone = { ...request, head: { ...request.head, hash: `0x${'00'.repeat(32)}` as Hex } }
  await expect(simulateExecute(rpc, gone)).rejects.toBeInstanceOf(RpcError)
})

test.each([[['v2', 'v2']], [['v3', 'v2']]] as const)(
  'adverse states of %s take profit away: the further, the more',
  async (kinds) => {
    const trade = await plan(kinds)
    const [first, second] = trade.hops as [Hop, Hop]
    const head = await readHead(rpc)
    // The second pool pays a quarter more than the market, so that there is a profit to take away.
    const [better] = await adverseStates(rpc, { ...second, zeroForOne: !second.zeroForOne }, head, [2_000])
    const data = encodeExecute(trade, Number(head.number) + 1)
    const gains: (bigint | null)[] = [gainOf(await simulateExecute(rpc, await call(data, better?.overrides)))]
    for (const adverse of await adverseStates(rpc, first, head, [10, 50])) {
      gains.push(gainOf(await simulateExecute(rpc, await call(data, { ...better?.overrides, ...adverse.overrides }))))
      expect(adverse.scenario).toContain('bps')
    }
    const [none, ten, fifty] = gains as [bigint, bigint, bigint]
    expect(none).toBeGreaterThan(ten)
    expect(ten).toBeGreaterThan(fifty)
    // 10 bps of 1 ETH, sold at a price a quarter above the market's.
    expect(Number(none - ten) / 1e18).toBeGreaterThan(0.0011)
    expect(Number(none - ten) / 1e18).toBeLessThan(0.00125)
  },
)
