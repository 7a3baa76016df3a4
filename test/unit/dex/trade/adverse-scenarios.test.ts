import { afterAll, beforeAll, expect, test } from 'vitest'
import { RpcError } from '../../../../agent/dex/rpc/error.ts'
import { adverseOutcomes } from '../../../../agent/dex/trade/adverse-scenarios.ts'
import { decodeProfit, encodeExecute, executeGasLimit, withFloor } from '../../../../agent/dex/trade/build.ts'
import { decodeRevert } from '../../../../agent/dex/trade/revert.ts'
import { readHead } from '../../../../agent/dex/trade/send.ts'
import { mergedOverrides, type SimulatedCall, simulateExecute } from '../../../../agent/dex/trade/simulate.ts'
import { volatilityOf } from '../../../../agent/dex/trade/volatility.ts'
import { type Hex, raw } from '../../../../src/protocol/units.ts'
import { tampered } from '../../../fixtures/bench.ts'
import { startMarket, type TestMarket } from '../../../fixtures/market.ts'
import { findTrades, planOf, trade } from '../../../fixtures/trades.ts'

let world: TestMarket
beforeAll(async () => {
  world = await startMarket('test-adverse')
  await trade(world, 'adverse', 6)
})
afterAll(() => world.stop())

/** The best trade of the head, as it would be signed but for its floor. */
async function best(name: string) {
  for (let turn = 0; turn < 20; turn++) {
    const [sized] = await findTrades(world)
    if (sized) {
      const data = encodeExecute(planOf(world, sized, name, { minProfitRaw: raw(0n) }), 1_000_000)
      const to = world.market.executor.address
      const [head, gasLimit] = [await readHead(world.rpc), executeGasLimit(sized.hops)]
      const call: SimulatedCall = { from: world.executor, to, data, gasLimit, head }
      return { hops: sized.hops, call, profitRaw: sized.profitRaw }
    }
    await trade(world, name, 1)
  }
  throw new Error('the traders left nothing to earn')
}

test('a rival in front leaves exactly what the simulation says that it leaves', async () => {
  const { hops, call, profitRaw } = await best('rival')
  const exact = withFloor(call.data, profitRaw)
  const [moved, rival] = await adverseOutcomes(world.rpc, hops, { ...call, data: exact })
  expect(moved).toMatchObject({
    scenario: expect.stringMatching(/^every pool moved against us, as pools did in the last 16 blocks: \d+.* bps$/),
    outcome: 'reverts',
  })
  expect(rival).toMatchObject({ scenario: 'a rival takes the same cycle first in the block', outcome: 'reverts' })

  const other = (await best('another id')).call.data
  const receipt = await world.send(world.executor, call.to, `0x${other.slice(2)}`)
  expect(receipt.status).toBe('0x1')
  const after = await simulateExecute(world.rpc, { ...call, data: exact, head: await readHead(world.rpc) })
  expect(after.ok ? decodeProfit(after.returnData) : decodeRevert(after.revertData)).toBe(rival?.reason)
})

test('a node that has no logs is met with a move that is said to be assumed, and one without eth_simulateV1 with no rival', async () => {
  const { hops, call } = await best('poor node')
  const refusing = (method: string, code: number) => () => {
    throw new RpcError(method, { code, message: 'not here' })
  }
  const poor = tampered(world.rpc, {
    eth_getLogs: refusing('eth_getLogs', -32_000),
    eth_simulateV1: refusing('eth_simulateV1', -32_601),
  })
  const outcomes = await adverseOutcomes(poor, hops, call)
  expect(outcomes).toHaveLength(1)
  expect(outcomes[0]?.scenario).toMatch(/10 \(assumed\), 10 \(assumed\)/)
})

test('the move of a pool is what its own logs say', async () => {
  const { hops } = await best('volatility')
  const head = await readHead(world.rpc)
  for (const { bps, measured } of await volatilityOf(world.rpc, hops, head)) {
    expect(bps).toBeGreaterThan(0)
    expect(bps).toBeLessThan(10_000)
    expect(measured || bps === 10).toBe(true)
  }
  const quiet = await volatilityOf(world.rpc, hops, { number: '0x1' })
  expect(quiet.every(({ measured }) => !measured)).toBe(true)
})

test('overrides of the same contract are joined word by word', () => {
  const [at, one, two]: Hex[] = ['0xaa', '0x01', '0x02']
  const joined = mergedOverrides(
    { [at as Hex]: { code: '0xfe', stateDiff: { [one as Hex]: '0x11' } } },
    { [at as Hex]: { stateDiff: { [two as Hex]: '0x22' } } },
  )
  expect(joined).toEqual({ '0xaa': { code: '0xfe', stateDiff: { '0x01': '0x11', '0x02': '0x22' } } })
})
