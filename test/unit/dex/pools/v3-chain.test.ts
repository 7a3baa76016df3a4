import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RpcLog, signedWord, word } from '../../../../agent/dex/chain-types.ts'
import type { Tracked } from '../../../../agent/dex/pools/kind.ts'
import { loadTracked } from '../../../../agent/dex/pools/load.ts'
import { swapV3 } from '../../../../agent/dex/pools/v3.ts'
import { ceilDiv } from '../../../../agent/dex/pools/v3-math/sqrt-price-math.ts'
import type { SwapInput } from '../../../../agent/dex/pools/v3-math/swap.ts'
import {
  MAX_SQRT_PRICE,
  MAX_TICK,
  MIN_SQRT_PRICE,
  MIN_TICK,
  sqrtPriceAtTick,
} from '../../../../agent/dex/pools/v3-math/tick-math.ts'
import type { PoolInfo } from '../../../../src/protocol/chain.ts'
import type { V3Pool } from '../../../../src/protocol/trade.ts'
import { type Bench, seeded, startBench, TESTER } from '../../../fixtures/dex/bench.ts'
import {
  followed,
  type Position,
  randomPositions,
  randomSwaps,
  Tally,
  type TickSwap,
} from '../../../fixtures/dex/tick-swaps.ts'

let bench: Bench
beforeAll(async () => {
  bench = await startBench()
})
afterAll(() => bench?.stop())

const fresh = async (info: PoolInfo): Promise<Tracked> =>
  (await loadTracked(bench.rpc, [info], (await bench.head()).hash))[0] as Tracked

test('1,200 random swaps of V3 pools of all four tiers are what was computed, to the wei: amounts, price, tick, liquidity', async () => {
  const random = seeded(3)
  const [a, b] = [await bench.token(18), await bench.token(6)]
  const tally = new Tally()
  for (const feePips of [100, 500, 3000, 10000]) {
    const info = await bench.pool(a, b, feePips)
    const home = random.int(-200_000, 200_000)
    await bench.mine([TESTER.encodeFunctionData('tickOfFreshPool', [info.address, sqrtPriceAtTick(home) + 12_345n])])
    const positions = randomPositions(home, info.tickSpacing as number, random)
    await bench.mine(positions.map((position) => encodeChange('addLiquidity', info, position)))
    let tracked = await fresh(info)
    expect(Object.keys(tracked.gross).length).toBeGreaterThan(10)
    for (let round = 0; round < 6; round++) {
      const swaps = randomSwaps(tracked.pool as V3Pool, { count: 50, home, random, swap: swapV3 })
      const { receipts } = await bench.mine(swaps.map(({ input }) => encodeSwap(info, input)))
      const logs = receipts.map((receipt) => receipt.logs.find((log) => log.address === info.address))
      expect(logs.map(onChain)).toEqual(swaps.map(expected))
      tally.count(swaps)
      const changes = positions.splice(0, 2).map((position) => encodeChange('removeLiquidity', info, position))
      const added = randomPositions(home, info.tickSpacing as number, random).slice(0, 2)
      const more = await bench.mine([
        ...changes,
        ...added.map((position) => encodeChange('addLiquidity', info, position)),
      ])
      tracked = followed(tracked, [...receipts, ...more.receipts])
    }
    expect(tracked).toEqual(await fresh(info))
  }
  expect(tally).toMatchObject({ swaps: 1_200 })
  expect(Math.min(tally.crossed, tally.partial, tally.onTick, tally.empty, tally.refused * 10)).toBeGreaterThan(100)
})

test('the price is the pool’s where the exact formula would overflow 256 bits: the less exact one', async () => {
  const random = seeded(8)
  // Ticks so far apart that one step can cross nearly all prices: only a factory's owner can ask for such a pool.
  const info = await bench.pool(await bench.token(18), await bench.token(18), 777)
  const start = sqrtPriceAtTick(880_000)
  const liquidity = 1n << 100n
  await bench.mine([
    TESTER.encodeFunctionData('tickOfFreshPool', [info.address, start]),
    encodeChange('addLiquidity', info, [-54 * 16_383, 54 * 16_383, liquidity]),
  ])
  let state = (await fresh(info)).pool as V3Pool
  let lessExact = 0
  const swaps = Array.from({ length: 40 }, (_, turn): TickSwap<V3Pool> => {
    const down = turn % 2 === 0
    const input: SwapInput = down
      ? { amount: (1n << 97n) + random.amount(20, 29), exactIn: true, zeroForOne: true }
      : { amount: 1n << 200n, exactIn: true, zeroForOne: false, sqrtPriceLimitX96: start }
    const result = swapV3(state, input)
    const afterFee = (input.amount * (1_000_000n - 777n)) / 1_000_000n
    const scaled = liquidity << 96n
    const exact = ceilDiv(scaled * state.sqrtPriceX96, scaled + afterFee * state.sqrtPriceX96)
    lessExact += down && result.after.sqrtPriceX96 > exact ? 1 : 0
    state = result.after
    return { input, result }
  })
  const { receipts } = await bench.mine(swaps.map(({ input }) => encodeSwap(info, input)))
  const logs = receipts.map((receipt) => receipt.logs.find((log) => log.address === info.address))
  expect(logs.map(onChain)).toEqual(swaps.map(expected))
  expect(lessExact).toBeGreaterThan(5)
})

const encodeChange = (name: 'addLiquidity' | 'removeLiquidity', info: PoolInfo, position: Position): string =>
  TESTER.encodeFunctionData(name, [info.address, ...position])

function encodeSwap(info: PoolInfo, { amount, exactIn, zeroForOne, sqrtPriceLimitX96 }: SwapInput): string {
  const limit = sqrtPriceLimitX96 ?? (zeroForOne ? MIN_SQRT_PRICE + 1n : MAX_SQRT_PRICE - 1n)
  return TESTER.encodeFunctionData('swapPool', [info.address, zeroForOne, exactIn ? amount : -amount, limit])
}

const onChain = (log: RpcLog | undefined) =>
  log && {
    amount0: signedWord(log.data, 0),
    amount1: signedWord(log.data, 1),
    price: word(log.data, 2),
    liquidity: word(log.data, 3),
    tick: Number(signedWord(log.data, 4)),
  }

function expected({ result, input }: TickSwap<V3Pool>): ReturnType<typeof onChain> {
  if (!result) return undefined
  const [paid, bought] = [result.amountIn, -result.amountOut]
  const [amount0, amount1] = input.zeroForOne ? [paid, bought] : [bought, paid]
  const { sqrtPriceX96: price, liquidity, tick } = result.after
  return { amount0, amount1, price, liquidity, tick }
}

test('the price of a tick, and the tick of a price, are the pool’s own at every power of two and at 300 random ticks', async () => {
  const random = seeded(4)
  const info = await bench.pool(await bench.token(18), await bench.token(18), 3000)
  const powers = Array.from({ length: 20 }, (_, bit) => 1 << bit).flatMap((tick) => [tick, -tick])
  const ticks = [
    0,
    MIN_TICK + 1,
    MAX_TICK - 1,
    ...powers,
    ...Array.from({ length: 300 }, () => random.int(MIN_TICK + 1, MAX_TICK - 1)),
  ]
  const askTick = async (price: bigint): Promise<number> => {
    const data = TESTER.encodeFunctionData('tickOfFreshPool', [info.address, price])
    return Number(signedWord(await bench.rpc.request<string>('eth_call', [{ to: bench.tester, data }, 'latest']), 0))
  }
  const answers = await Promise.all(
    ticks.map(async (tick) => [await askTick(sqrtPriceAtTick(tick)), await askTick(sqrtPriceAtTick(tick) - 1n)]),
  )
  expect(answers).toEqual(ticks.map((tick) => [tick, tick - 1]))
  expect([sqrtPriceAtTick(MIN_TICK), sqrtPriceAtTick(MAX_TICK)]).toEqual([MIN_SQRT_PRICE, MAX_SQRT_PRICE])
})
