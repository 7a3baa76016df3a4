import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeIndexer } from '../../../agent/roles/code-indexer.ts'
import { hashCode } from '../../../agent/sandbox/code-hashes.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { type Risk, RiskSchema } from '../../../src/protocol/limits.ts'
import { type Address, raw, wei } from '../../../src/protocol/units.ts'
import { contextOf, openPorts, type Ports } from '../../fixtures/agents.ts'
import { runOf, taskOf } from '../../fixtures/bench.ts'
import { type StrangeMarket, startStrangeMarket, type Way } from '../../fixtures/strange-market.ts'
import { opportunity } from '../../fixtures/trade.ts'

const EXECUTOR: Address = '0x00000000000000000000000000000000000000ab'
let market: StrangeMarket
let ports: Ports
let chain: ChainInfo
beforeAll(async () => {
  ;[market, ports] = await Promise.all([startStrangeMarket('test-strange'), openPorts()])
  const { rpc, weth, token, venues } = market
  const [pair, pool, manager] = venues as [Address, Address, Address]
  const codeHashes = await hashCode(rpc, {
    ...{ token: [weth, token], v2_pair: [pair], v3_pool: [pool], v4_manager: [manager] },
  })
  const tokens = [
    { address: weth, symbol: 'WETH', decimals: 18 },
    { address: token, symbol: 'ODD', decimals: 18 },
  ]
  const executor = { address: EXECUTOR, codeHash: `0x${'00'.repeat(32)}` }
  chain = { chainInstance: 'odd', chainId: 31337, weth, tokens, pools: [], lenders: [], executor, codeHashes } as never
})
afterAll(async () => {
  await market.stop()
  await ports.close()
})

/** What code_indexer says of WETH for the token and back, lent by the first pool. */
async function inspect(way: Way, risk: Partial<Risk> = {}, indexer = codeIndexer()): Promise<string> {
  await market.become(way)
  const amount = { amountIn: raw(10n ** 18n), amountOut: raw(10n ** 18n) }
  const hops = market.route('v2', 'v3').map((hop) => ({ ...hop, ...amount }))
  const found = opportunity({
    ...{ hops, token: market.weth, sizeRaw: raw(10n ** 18n), profitRaw: raw(10n ** 16n), profitWei: wei(10n ** 16n) },
    lender: { kind: 'uniswap_v2', address: hops[0]?.pool as Address, premiumBps: 0 },
  })
  const context = contextOf(ports, 'code_indexer-1', {
    chain: async () => chain,
    rpc: async () => market.rpc,
    risk: { ...RiskSchema.parse({}), ...risk },
  })
  const task = taskOf<'inspect'>(found, { opportunityId: found.id, attempt: 1 })
  const { outcome, reason } = await runOf(indexer, 'inspect')(task, context)
  return reason ?? outcome
}

test('tokens that rob their holders are refused by rule, token and figures, although their code is listed', async () => {
  const odd = `token ODD ${market.token}`
  expect(await inspect('Honest')).toBe('ok')
  expect(await inspect('ReturnsNothing')).toBe('ok')
  expect(await inspect('TakesFee')).toBe(`rule maxTokenTaxBps: ${odd} keeps 1,000 bps of what is sold, above 0`)
  expect(await inspect('TakesFee', { maxTokenTaxBps: 999 })).toMatch(/, above 999$/)
  expect(await inspect('Salmonella')).toMatch(/^rule maxTokenTaxBps: .* keeps 1,000 bps of what is sold, above 0$/)
  expect(await inspect('OneWay')).toBe(`rule tokenProbe: ${odd}: it cannot be sold: trading is not open`)
  expect(await inspect('ReturnsFalse')).toMatch(/^rule tokenProbe: .*it cannot be/)
  expect(await inspect('Grows')).toMatch(/^rule tokenProbe: .*arrive where/)
})

test('a clean answer is kept for some blocks, a fault is looked at again', async () => {
  const indexer = codeIndexer()
  expect(await inspect('OneWay', {}, indexer)).toMatch(/cannot be sold/)
  expect(await inspect('Honest', {}, indexer)).toBe('ok')
  expect(await inspect('OneWay', {}, indexer)).toBe('ok')
  await market.rpc.request('anvil_mine', ['0x65'])
  expect(await inspect('OneWay', {}, indexer)).toMatch(/cannot be sold/)
})
