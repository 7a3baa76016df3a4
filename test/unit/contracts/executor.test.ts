import { AbiCoder, getCreateAddress, Interface, id, keccak256 } from 'ethers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RouteHop } from '../../../agent/dex/search/cycles.ts'
import { decodeExecuted, decodeProfit, encodeExecute, withDeadline, withFloor } from '../../../agent/dex/trade/build.ts'
import { decodeRevert } from '../../../agent/dex/trade/revert.ts'
import { loadArtefacts } from '../../../agent/sandbox/artefacts.ts'
import type { Lender, TradePlan } from '../../../src/protocol/trade.ts'
import { type Address, address, type Hex, raw, wei } from '../../../src/protocol/units.ts'
import { Arena, placeOf, ROUTES, SIZE } from '../../fixtures/arena.ts'
import { startMarket, type TestMarket } from '../../fixtures/market.ts'

const EXECUTE = new Interface([
  'function execute(bytes32,uint256,uint256,address,uint256,uint256,uint256,uint256[]) returns (uint256)',
])

let world: TestMarket
let arena: Arena
let hops: RouteHop[]
let snapshot: unknown

beforeAll(async () => {
  world = await startMarket('test-executor')
  arena = new Arena(world)
  hops = arena.route(ROUTES['v3 v2'] as string)
  await arena.push(hops, 4)
  snapshot = await world.rpc.request('evm_snapshot', [])
})
beforeEach(async () => {
  await world.rpc.request('evm_revert', [snapshot])
  snapshot = await world.rpc.request('evm_snapshot', [])
})
afterAll(() => world?.stop())

const head = async () => Number(await world.rpc.request<string>('eth_blockNumber', []))
const native = async (holder: Address) => BigInt(await world.rpc.request<string>('eth_getBalance', [holder, 'latest']))
const refusal = (data: Hex, from?: Address) =>
  arena.call(data, from).then(
    () => 'it went through',
    (error: { data?: Hex }) => decodeRevert(error.data),
  )
const planned = (lender: Parameters<Arena['lender']>[0] = 'first', over: Parameters<Arena['plan']>[2] = {}) =>
  arena.plan(hops, arena.lender(lender, hops), over)
const encoded = (plan: TradePlan, over: Partial<TradePlan> = {}) => encodeExecute({ ...plan, ...over }, 1_000_000)

describe('the floor', () => {
  test.each(['first', 'aave_v3', 'balancer_v2', 'uniswap_v3', 'uniswap_v2'] as const)(
    'one wei above what a trade with %s earns reverts it, and the revert says both figures',
    async (lender) => {
      const plan = await planned(lender)
      const floor = raw(plan.expectedProfitRaw + 1n)
      const said = `ProfitBelowFloor: gained ${plan.expectedProfitRaw}, floor ${floor}`
      expect(await refusal(withFloor(encoded(plan), floor))).toBe(said)
      expect(decodeProfit(await arena.call(withFloor(encoded(plan), plan.expectedProfitRaw)))).toBe(
        plan.expectedProfitRaw,
      )
    },
  )

  test.each(['first', 'aave_v3', 'balancer_v2', 'uniswap_v3', 'uniswap_v2', 'own'] as const)(
    'a cycle that loses reverts with its loss where %s lends, although the floor is 0',
    async (lender) => {
      const back = [...hops].reverse().map((hop) => ({ ...hop, ...turned(hop) }))
      await arena.deal(arena.executor, arena.token('WETH'), lender === 'own' ? SIZE : 0n)
      const plan = await arena.plan(back, arena.lender(lender, back))
      expect(plan.expectedProfitRaw).toBeLessThan(0n)
      expect(await refusal(encoded(plan))).toBe(`ProfitBelowFloor: gained ${plan.expectedProfitRaw}, floor 0`)
    },
  )

  test('a reverted trade costs its gas and nothing else, and may be sent again under the same id', async () => {
    const plan = await planned()
    const held = await arena.balance(world.owner)
    const failed = await arena.send(withFloor(encoded(plan), raw(plan.expectedProfitRaw + 1n)))
    expect([failed.status, await arena.balance(world.owner)]).toEqual(['0x0', held])
    const done = await arena.send(encoded(plan))
    expect([done.status, await arena.balance(world.owner)]).toEqual(['0x1', held + plan.expectedProfitRaw])
  })
})

const turned = ({ tokenIn, tokenOut, zeroForOne }: RouteHop) => ({
  tokenIn: tokenOut,
  tokenOut: tokenIn,
  zeroForOne: !zeroForOne,
})

describe('the tip', () => {
  test('goes to the builder of the block, out of the profit', async () => {
    const tipWei = wei(10n ** 15n)
    const plan = await planned('first', { tipWei })
    const builder = address(keccak256('0x01').slice(0, 42))
    await world.rpc.request('anvil_setCoinbase', [builder])
    const before = await arena.balance(world.owner)
    const { logs, status } = await arena.send(encoded(plan), { maxPriorityFeePerGas: '0x0' })
    expect(status).toBe('0x1')
    expect(decodeExecuted(logs, arena.executor)).toMatchObject({ tipWei, profitRaw: plan.expectedProfitRaw })
    expect([await native(builder), (await arena.balance(world.owner)) - before]).toEqual([
      tipWei,
      plan.expectedProfitRaw,
    ])
    expect([await native(arena.executor), await arena.balance(arena.executor)]).toEqual([0n, 0n])
  })

  test('is never more than was gained, whatever capital lies there', async () => {
    await arena.deal(arena.executor, arena.token('WETH'), 10n * SIZE)
    const plan = await planned()
    const tipWei = wei(plan.expectedProfitRaw + 1n)
    expect(await refusal(encoded(plan, { tipWei, minProfitRaw: raw(0n) }))).toBe(
      `ProfitBelowFloor: gained ${plan.expectedProfitRaw}, floor ${tipWei}`,
    )
  })

  test('is refused where the loan is of another token', async () => {
    const usdc = arena.token('USDC')
    const round = [turned(hops[0] as RouteHop), turned(hops[1] as RouteHop)]
    const back = [
      { ...(hops[0] as RouteHop), ...round[0] },
      { ...(hops[1] as RouteHop), ...round[1] },
    ] as RouteHop[]
    await arena.push([back[1] as RouteHop], 8)
    const plan = await arena.plan(back, arena.lender('first', back), { size: 10n ** 9n })
    expect(plan.token).toBe(usdc)
    expect(decodeProfit(await arena.call(encoded(plan)))).toBe(plan.expectedProfitRaw)
    expect(await refusal(encoded(plan, { tipWei: wei(1n), minProfitRaw: raw(0n) }))).toBe(`TipNotNative: token ${usdc}`)
  })
})

describe('the deadline', () => {
  test('lets a trade run in that block and in none after it', async () => {
    const data = encodeExecute(await planned(), 0)
    const now = await head()
    expect(await refusal(data)).toMatch(/^DeadlinePassed: deadlineBlock 0/)
    await world.rpc.request('evm_mine', [])
    const late = await arena.send(withDeadline(data, now + 1))
    expect([late.status, Number(late.blockNumber)]).toEqual(['0x0', now + 2])
    const last = await arena.send(withDeadline(data, now + 3))
    expect([last.status, Number(last.blockNumber)]).toEqual(['0x1', now + 3])
  })

  test('is the only word that withDeadline changes', async () => {
    const plan = await planned()
    expect(withDeadline(encodeExecute(plan, 0), 77)).toBe(encodeExecute(plan, 77))
  })
})

test('an opportunity that was executed is refused for ever after, whatever else the call says', async () => {
  const plan = await planned('first', { name: 'once' })
  expect((await arena.send(encoded(plan))).status).toBe('0x1')
  await arena.push(hops, 5)
  const other = await planned('aave_v3', { name: 'once' })
  expect(await refusal(encoded(other))).toBe(`AlreadyExecuted: opportunityId ${other.opportunityId}`)
})

describe('own capital', () => {
  test('is traded with, stays, and is all that may be traded with', async () => {
    await arena.deal(arena.executor, arena.token('WETH'), SIZE)
    const plan = await planned('own')
    expect((await arena.send(encoded(plan))).status).toBe('0x1')
    expect(await arena.balance(arena.executor)).toBe(SIZE)
    const more = await planned('own', { size: SIZE + 1n })
    expect(await refusal(encoded(more, { minProfitRaw: raw(0n) }))).toBe(
      `CapitalTooSmall: held ${SIZE}, needed ${SIZE + 1n}`,
    )
  })
})

test('a route that begins in Uniswap V4 pays for itself too, where its manager is named', async () => {
  const managed = arena.route(ROUTES['v4 v2'] as string)
  await arena.push(managed, 4)
  const lender: Lender = { kind: 'uniswap_v3', address: placeOf(managed[0] as RouteHop), premiumBps: 0 }
  const plan = await arena.plan(managed, lender)
  expect(decodeProfit(await arena.call(encoded(plan)))).toBe(plan.expectedProfitRaw)
})

test('a lender of a kind that there is not, and a route of one hop or of five, are refused', async () => {
  const plan = await planned('aave_v3')
  const word = BigInt(plan.lender.address) | (7n << 160n)
  const call = (lender: bigint, words: bigint[]) =>
    EXECUTE.encodeFunctionData('execute', [id('x'), 1_000_000, lender, plan.token, 1n, 0n, 0n, words]) as Hex
  const pool = BigInt((hops[0] as RouteHop).pool) | (3n << 184n)
  expect(await refusal(call(word, [pool, 0n, pool, 0n]))).toBe(`UnknownLender: lender ${word}`)
  for (const count of [0, 2, 3, 5, 10]) {
    expect(await refusal(call(word, Array(count).fill(pool)))).toBe(`BadRoute: words ${count}`)
  }
})

test('a pool that cannot take all of a swap reverts the trade with what it took', async () => {
  const sizes = { name: 'too much', size: 29n * 10n ** 21n }
  const lender = arena.lender('first', hops)
  const plan = await arena.plan(hops, lender, { size: SIZE })
  await world.send(world.owner, arena.executor, setCap(arena.token('WETH'), 10n ** 30n))
  const words = { ...plan, sizeRaw: raw(sizes.size * 100n), minProfitRaw: raw(0n) }
  expect(await refusal(encodeExecute(words, 1_000_000))).toMatch(
    new RegExp(`^PartialFill: pool ${(hops[0] as RouteHop).pool}, taken \\d+, offered ${sizes.size * 100n}$`),
  )
})

const setCap = (token: Address, cap: bigint) =>
  new Interface(loadArtefacts().abi('ArbExecutor')).encodeFunctionData('setInputCap', [token, cap])

test('calldata that was encoded by hand is what the ABI says', async () => {
  const route = arena.route(ROUTES['v4 v3 v4'] as string)
  const plan = { ...(await arena.plan(route, arena.lender('uniswap_v2', route))), tipWei: wei(5n) }
  const words = plan.hops.flatMap((hop) => [
    BigInt(placeOf(hop)) +
      (BigInt(hop.feePips) << 160n) +
      ({ v2: 2n, v3: 3n, v4: 4n }[hop.kind] << 184n) +
      (hop.zeroForOne ? 1n << 192n : 0n) +
      (BigInt(hop.v4?.tickSpacing ?? 0) << 193n),
    BigInt(hop.tokenOut),
  ])
  const lender = BigInt(plan.lender.address) + (4n << 160n) + (3_000n << 168n)
  const amounts = [plan.sizeRaw, plan.minProfitRaw, plan.tipWei]
  const expected = EXECUTE.encodeFunctionData('execute', [
    plan.opportunityId,
    42,
    lender,
    plan.token,
    ...amounts,
    words,
  ])
  expect(encodeExecute(plan, 42)).toBe(expected)
})

test('its code is the same wherever it is deployed and whoever owns it', async () => {
  const artefacts = loadArtefacts()
  const [owner, token] = [address(`0x${'ab'.repeat(20)}`), arena.token('USDC')]
  const data = artefacts.deployment('ArbExecutor', [owner, token, [], [token], [1n]])
  const nonce = Number(await world.rpc.request<string>('eth_getTransactionCount', [world.stranger, 'latest']))
  await world.rpc.request('eth_sendTransaction', [{ from: world.stranger, data, gas: '0x5b8d80' }])
  await world.rpc.request('evm_mine', [])
  const at = address(getCreateAddress({ from: world.stranger, nonce }))
  const code = await world.rpc.request<Hex>('eth_getCode', [at, 'latest'])
  expect([keccak256(code), world.market.executor.codeHash]).toEqual(Array(2).fill(artefacts.codeHash('ArbExecutor')))
  expect(
    AbiCoder.defaultAbiCoder()
      .decode(['address'], await ownerOf(at))[0]
      .toLowerCase(),
  ).toBe(owner)
})

const ownerOf = (to: Address) =>
  world.rpc.request<Hex>('eth_call', [{ to, data: id('owner()').slice(0, 10) }, 'latest'])
