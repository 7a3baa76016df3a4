import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeExecute, executeGasLimit } from '../../../agent/dex/build.ts'
import { gasOfRoute } from '../../../agent/dex/gas.ts'
import { startMarket, type TestMarket } from '../../fixtures/market.ts'
import { findTrades, planOf, trade } from '../../fixtures/trades.ts'

/** Gas that a warm trade burns, measured; a change of the contract that moves it by a tenth should be looked at. */
const BURNT: Readonly<Record<string, number>> = {
  'v2 v2': 290_000,
  'v3 v2': 298_000,
  'v2 v3': 305_000,
  'v3 v3': 313_000,
  'v2 v2 v2': 330_000,
  'v3 v2 v3': 355_000,
  'v2 v3 v2': 355_000,
}

let world: TestMarket
beforeAll(async () => {
  world = await startMarket('test-gas')
  // So that every pool has been traded in: slots that were zero are paid for once.
  await trade(world, 'gas', 40)
  await executed('v2 v2', 'warm up')
})
afterAll(() => world?.stop())

async function executed(shape: string, name: string) {
  for (let tries = 0; tries < 20; tries++) {
    const [sized] = await findTrades(world, shape)
    if (sized === undefined) {
      await trade(world, 'gas', 2)
      continue
    }
    const to = world.market.executor.address
    const data = encodeExecute(planOf(world, sized, name), 10_000)
    const needed = await world.rpc.request<string>('eth_estimateGas', [{ from: world.executor, to, data }])
    const receipt = await world.send(world.executor, to, data)
    return { hops: sized.hops, needed: BigInt(needed), burnt: Number(receipt.gasUsed), status: receipt.status }
  }
  throw new Error(`no trade of shape ${shape} in 40 blocks`)
}

test.each(Object.entries(BURNT))(
  'a trade over %s burns about %i gas and stays within its limit',
  async (shape, burnt) => {
    const trade = await executed(shape, shape)
    expect(trade.status).toBe('0x1')
    expect(trade.burnt).toBeGreaterThan(burnt * 0.85)
    expect(trade.burnt).toBeLessThan(burnt * 1.15)
    expect(trade.needed).toBeLessThan(executeGasLimit(trade.hops))
    // What the search reckons with is not far off either.
    expect(Math.abs(Number(gasOfRoute(trade.hops)) / trade.burnt - 1)).toBeLessThan(0.25)
  },
)
