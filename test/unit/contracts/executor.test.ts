import { Interface } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  decodeExecuted,
  decodeProfit,
  encodeExecute,
  executeGasLimit,
  withDeadline,
  withFloor,
} from '../../../agent/dex/build.ts'
import { decodeRevert } from '../../../agent/dex/revert.ts'
import type { Sized } from '../../../agent/dex/size.ts'
import { type Address, type Hex, raw } from '../../../src/protocol/units.ts'
import { startMarket, type TestMarket } from '../../fixtures/market.ts'
import { findTrades, planOf, trade } from '../../fixtures/trades.ts'

const token = new Interface([
  'function balanceOf(address) view returns (uint256)',
  'function allowance(address, address) view returns (uint256)',
])

let world: TestMarket
const executor = () => world.market.executor.address
const head = async () => Number(await world.rpc.request<string>('eth_blockNumber', []))
const weth = async (holder: Address) =>
  BigInt(
    await world.rpc.request<Hex>('eth_call', [
      { to: world.market.weth, data: token.encodeFunctionData('balanceOf', [holder]) },
      'latest',
    ]),
  )
/** eth_call at the head, as the head's next block. */
const simulate = (data: Hex, from = world.executor) =>
  world.rpc.request<Hex>('eth_call', [{ from, to: executor(), data, gas: '0x1e8480' }, 'latest'])
const refusal = (data: Hex, from?: Address) =>
  simulate(data, from).then(
    () => 'it went through',
    (error: { data?: Hex }) => decodeRevert(error.data),
  )
const best = async (shape?: string): Promise<Sized> => {
  for (let tries = 0; tries < 20; tries++) {
    const [found] = await findTrades(world, shape)
    if (found !== undefined) return found
    await trade(world, 'test', 2)
  }
  throw new Error(`no trade of shape ${shape} in 40 blocks`)
}

beforeAll(async () => {
  world = await startMarket('test-executor')
  await trade(world, 'test', 10)
})
afterAll(() => world?.stop())

describe('a trade on a flash loan', () => {
  test.each(['v2 v2', 'v2 v3', 'v3 v2', 'v3 v3', 'v2 v2 v2', 'v2 v3 v2', 'v3 v3 v2', 'v3 v2 v3', 'v2 v3 v3'])(
    'over %s pays exactly what was quoted and what eth_call predicted, and all of it stays in the contract',
    async (shape) => {
      const sized = await best(shape)
      const plan = planOf(world, sized, shape)
      const data = encodeExecute(plan, (await head()) + 1)
      const predicted = decodeProfit(await simulate(data))
      expect(predicted).toBe(sized.profitRaw)

      const before = await weth(executor())
      const gas = executeGasLimit(sized.hops)
      const receipt = await world.send(world.executor, executor(), data, { gas: `0x${gas.toString(16)}` })

      expect(receipt.status).toBe('0x1')
      expect(decodeExecuted(receipt.logs, executor())).toEqual({
        opportunityId: plan.opportunityId,
        token: world.market.weth,
        sizeRaw: sized.sizeRaw,
        premiumRaw: sized.premiumRaw,
        profitRaw: predicted,
      })
      expect((await weth(executor())) - before).toBe(predicted)
      const lender = world.market.lenders[0]?.address
      const allowance = token.encodeFunctionData('allowance', [executor(), lender])
      expect(
        BigInt(await world.rpc.request<Hex>('eth_call', [{ to: world.market.weth, data: allowance }, 'latest'])),
      ).toBe(0n)
      await trade(world, 'test', 2)
    },
  )
})

describe('the floor', () => {
  test('one wei above what the trade earns reverts it, and the revert says both figures', async () => {
    const sized = await best()
    const data = encodeExecute(planOf(world, sized, 'floor'), (await head()) + 5)
    const floor = raw(sized.profitRaw + 1n)
    expect(await refusal(withFloor(data, floor))).toBe(`ProfitBelowFloor: gained ${sized.profitRaw}, floor ${floor}`)
    expect(decodeProfit(await simulate(withFloor(data, sized.profitRaw)))).toBe(sized.profitRaw)
  })

  test('a cycle that loses reverts with its loss, although the floor is 0', async () => {
    const sized = await best('v2 v2')
    const hops = [...sized.hops].reverse().map((hop) => ({ ...hop, zeroForOne: !hop.zeroForOne }))
    const data = encodeExecute(planOf(world, sized, 'loss', { hops, minProfitRaw: raw(0n) }), (await head()) + 5)
    expect(await refusal(data)).toMatch(/^ProfitBelowFloor: gained -\d+, floor 0$/)
  })

  test('a reverted trade costs its gas and nothing else, and may be sent again under the same id', async () => {
    const sized = await best()
    const data = encodeExecute(planOf(world, sized, 'again'), (await head()) + 9)
    const held = await weth(executor())
    const failed = await world.send(world.executor, executor(), withFloor(data, raw(sized.profitRaw + 1n)))
    expect([failed.status, await weth(executor())]).toEqual(['0x0', held])
    const done = await world.send(world.executor, executor(), data)
    expect([done.status, await weth(executor())]).toEqual(['0x1', held + sized.profitRaw])
  })
})

describe('the deadline', () => {
  test('lets a trade run in that block and in none after it', async () => {
    await trade(world, 'test', 2)
    const data = encodeExecute(planOf(world, await best(), 'late'), 0)
    const now = await head()
    expect(await refusal(data)).toMatch(/^DeadlinePassed: deadlineBlock 0/)
    await world.rpc.request('evm_mine', [])
    const late = await world.send(world.executor, executor(), withDeadline(data, now + 1))
    expect([late.status, Number(late.blockNumber)]).toEqual(['0x0', now + 2])
    const last = await world.send(world.executor, executor(), withDeadline(data, now + 3))
    expect([last.status, Number(last.blockNumber)]).toEqual(['0x1', now + 3])
  })

  test('is the only word that withDeadline changes', async () => {
    const plan = planOf(world, await best(), 'word')
    expect(withDeadline(encodeExecute(plan, 0), 77)).toBe(encodeExecute(plan, 77))
  })
})

test('an opportunity that was executed is refused for ever after, whatever else the call says', async () => {
  await trade(world, 'test', 2)
  const sized = await best()
  const data = encodeExecute(planOf(world, sized, 'once'), (await head()) + 50)
  expect((await world.send(world.executor, executor(), data)).status).toBe('0x1')
  await trade(world, 'test', 3)
  const other = planOf(world, await best(), 'once')
  expect(await refusal(encodeExecute(other, (await head()) + 50))).toBe(
    `AlreadyExecuted: opportunityId ${other.opportunityId}`,
  )
})

test('calldata that was encoded by hand is what the ABI says', async () => {
  const plan = planOf(world, await best(), 'abi')
  const face = new Interface(['function execute(bytes32,uint256,address,address,uint256,uint256,uint256[])'])
  const words = plan.hops.map(
    (hop) =>
      BigInt(hop.pool) +
      (BigInt(hop.feePips) << 160n) +
      ((hop.kind === 'v2' ? 2n : 3n) << 184n) +
      (hop.zeroForOne ? 1n << 192n : 0n),
  )
  const expected = face.encodeFunctionData('execute', [
    plan.opportunityId,
    42,
    plan.lender.address,
    plan.token,
    plan.sizeRaw,
    plan.minProfitRaw,
    words,
  ])
  expect(encodeExecute(plan, 42)).toBe(expected)
})
