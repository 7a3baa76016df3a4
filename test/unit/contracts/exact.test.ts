import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeExecuted, decodeProfit, encodeExecute, executeGasLimit, withFloor } from '../../../agent/dex/build.ts'
import { findCycles } from '../../../agent/dex/cycles.ts'
import { loadPools } from '../../../agent/dex/load.ts'
import { openRpc, type Rpc } from '../../../agent/dex/rpc.ts'
import { bestSize, type Sized } from '../../../agent/dex/size.ts'
import { type Instance, startInstance } from '../../../agent/sandbox/instance.ts'
import { executorKey, keyAddress } from '../../../agent/sandbox/keys.ts'
import type { Lender } from '../../../src/protocol/trade.ts'
import { type Address, type Hex, raw } from '../../../src/protocol/units.ts'
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

/** The trades of a head that share no pool, best first. */
async function disjointTrades(hash: Hex): Promise<Sized[]> {
  const states = new Map((await loadPools(rpc, instance.market.pools, hash)).map((pool) => [pool.address, pool]))
  const terms = { lender: instance.market.lenders[0] as Lender, maxRaw: raw(10n ** 21n) }
  const all = findCycles(instance.market.pools, instance.market.weth, 3).flatMap(
    (cycle) => bestSize(cycle, states, terms) ?? [],
  )
  const used = new Set<Address>()
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
  for (let turn = 0; turn < 25; turn++) {
    await instance.mine()
    const head = await rpc.request<{ hash: Hex; number: string }>('eth_getBlockByNumber', ['latest', false])
    const sent: { hash: string; predicted: bigint; quoted: bigint }[] = []
    for (const [index, sized] of (await disjointTrades(head.hash)).entries()) {
      const open = encodeExecute(planOf(world, sized, `${turn}/${index}`), Number(head.number) + 1)
      const predicted = decodeProfit(await rpc.request<Hex>('eth_call', [{ from: executor, to, data: open }, 'latest']))
      // With the prediction as its floor it is exact, or it reverts.
      const data = withFloor(open, predicted)
      const fees = { maxFeePerGas: '0x12a05f200', maxPriorityFeePerGas: '0x3b9aca00' }
      const gas = `0x${executeGasLimit(sized.hops).toString(16)}`
      const hash = await rpc.request<string>('eth_sendTransaction', [{ from: executor, to, data, gas, ...fees }])
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
})
