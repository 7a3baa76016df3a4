import { afterAll, beforeAll, expect, test } from 'vitest'
import { type LenderOption, lenderOptions } from '../../../agent/dex/lending/lenders.ts'
import { loadPools } from '../../../agent/dex/pools/load.ts'
import { openRpc, type Rpc } from '../../../agent/dex/rpc.ts'
import { type Cycle, findCycles } from '../../../agent/dex/search/cycles.ts'
import { bestSize, type Sized } from '../../../agent/dex/search/size.ts'
import {
  decodeExecuted,
  decodeProfit,
  encodeExecute,
  executeGasLimit,
  withFloor,
} from '../../../agent/dex/trade/build.ts'
import { type Instance, startInstance } from '../../../agent/sandbox/instance.ts'
import { executorKey, keyAddress } from '../../../agent/sandbox/keys.ts'
import type { PoolId } from '../../../src/protocol/trade.ts'
import { type Hex, raw } from '../../../src/protocol/units.ts'
import type { Receipt, TestMarket } from '../../fixtures/market.ts'
import { planOf } from '../../fixtures/trades.ts'

const executor = keyAddress(executorKey('exact', 1))
let instance: Instance
let rpc: Rpc

beforeAll(async () => {
  instance = await startInstance({
    anvil: { fleet: 'test-exact' },
    seed: 'exact',
    owner: executor,
    executors: [executor],
  })
  rpc = await openRpc(instance.info.url ?? '')
  await rpc.request('anvil_impersonateAccount', [executor])
})
afterAll(async () => {
  rpc?.close()
  await instance?.stop()
})

interface Found extends Sized {
  lender: LenderOption['lender']
}

/** Another lender for each trade in turn, of those that can lend for it. */
function lenderFor(cycle: Cycle, turn: number): LenderOption {
  const { lenders, weth } = instance.market
  const liquidity = new Map(lenders.map((lender) => [lender.address, raw(10n ** 21n)]))
  const options = lenderOptions({ hops: cycle, token: weth, lenders, liquidity })
  return options[turn % options.length] as LenderOption
}

/** The trades of a head that share no pool, best first. */
async function disjointTrades(hash: Hex, turn: number): Promise<Found[]> {
  const states = new Map((await loadPools(rpc, instance.market.pools, hash)).map((pool) => [pool.address, pool]))
  const all = findCycles(instance.market.pools, instance.market.weth, 3).flatMap((cycle): Found[] => {
    const { lender } = lenderFor(cycle, turn)
    const sized = bestSize(cycle, states, { lender, maxRaw: raw(10n ** 21n) })
    return sized === undefined ? [] : [{ ...sized, lender }]
  })
  const used = new Set<PoolId>()
  return all
    .sort((a, b) => (b.profitRaw > a.profitRaw ? 1 : -1))
    .filter(({ hops }) => {
      if (hops.some((hop) => used.has(hop.pool))) return false
      for (const hop of hops) used.add(hop.pool)
      return true
    })
}

test('in a market where traders trade in every block, all trades of a block pay what was predicted at the head, to the wei', async () => {
  const world = { market: instance.market } as TestMarket
  const to = instance.market.executor.address
  let executed = 0
  const lenders = new Set<string>()
  for (let turn = 0; turn < 25; turn++) {
    await instance.mine()
    const head = await rpc.request<{ hash: Hex; number: string }>('eth_getBlockByNumber', ['latest', false])
    const sent: { hash: string; predicted: bigint; quoted: bigint }[] = []
    for (const [index, sized] of (await disjointTrades(head.hash, turn)).entries()) {
      const open = encodeExecute(
        planOf(world, sized, `${turn}/${index}`, { lender: sized.lender }),
        Number(head.number) + 1,
      )
      const predicted = decodeProfit(await rpc.request<Hex>('eth_call', [{ from: executor, to, data: open }, 'latest']))
      // With the prediction as its floor it is exact, or it reverts.
      const data = withFloor(open, predicted)
      const fees = { maxFeePerGas: '0x12a05f200', maxPriorityFeePerGas: '0x3b9aca00' }
      const gas = `0x${executeGasLimit(sized.hops, sized.lender).toString(16)}`
      const hash = await rpc.request<string>('eth_sendTransaction', [{ from: executor, to, data, gas, ...fees }])
      lenders.add(sized.lender.kind)
      sent.push({ hash, predicted, quoted: sized.profitRaw })
    }
    await instance.mine()
    for (const { hash, predicted, quoted } of sent) {
      const receipt = await rpc.request<Receipt>('eth_getTransactionReceipt', [hash])
      expect([receipt.status, decodeExecuted(receipt.logs, to)?.profitRaw, quoted]).toEqual([
        '0x1',
        predicted,
        predicted,
      ])
      executed++
    }
  }
  expect(executed).toBeGreaterThanOrEqual(25)
  expect([...lenders].sort()).toEqual(['aave_v3', 'balancer_v2', 'uniswap_v2', 'uniswap_v3', 'uniswap_v4'])
}, 120_000)
