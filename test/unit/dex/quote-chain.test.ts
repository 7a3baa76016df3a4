import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RpcLog, signedWord, word } from '../../../agent/dex/chain-types.ts'
import { loadPools } from '../../../agent/dex/load.ts'
import { quoteExactIn, quoteExactOut } from '../../../agent/dex/quote.ts'
import { swapV3, type V3SwapInput } from '../../../agent/dex/v3/swap.ts'
import { MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, sqrtPriceAtTick } from '../../../agent/dex/v3/tick-math.ts'
import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { PoolState, V2Pool, V3Pool } from '../../../src/protocol/trade.ts'
import { raw, sqrtPriceX96 } from '../../../src/protocol/units.ts'
import { type Bench, seeded, startBench, TESTER } from '../../fixtures/dex/bench.ts'

let bench: Bench
beforeAll(async () => {
  bench = await startBench()
})
afterAll(() => bench?.stop())

const fresh = async (info: PoolInfo): Promise<PoolState> =>
  (await loadPools(bench.rpc, [info], (await bench.head()).hash))[0] as PoolState

const attempt = <T>(what: () => T): T | undefined => {
  try {
    return what()
  } catch (error) {
    if (error instanceof FleetError) return undefined
    throw error
  }
}

type Random = ReturnType<typeof seeded>

test('600 random swaps of V2 pairs pay what was quoted, to the wei, and not one wei more', async () => {
  const random = seeded(2)
  const [a, b, c] = [await bench.token(18), await bench.token(6), await bench.token(8)]
  let swapped = 0
  for (const [x, y, depth0, depth1] of [
    [a, b, 10n ** 21n, 3n * 10n ** 12n],
    [b, c, 12_345n, 987n],
    [a, c, (1n << 111n) + 7n, 10n ** 5n],
  ] as const) {
    const info = await bench.pair(x, y)
    await bench.mine([TESTER.encodeFunctionData('fillPair', [info.address, depth0, depth1])])
    let state = (await fresh(info)) as V2Pool
    const calls: string[] = []
    for (let turn = 0; turn < 200; turn++) {
      const zeroForOne = random.coin()
      const quote = randomQuote(state, zeroForOne, random)
      if (!quote || quote.amountOut === 0n) continue
      const encode = (out: bigint) =>
        TESTER.encodeFunctionData('swapPair', [info.address, zeroForOne, quote.amountIn, out])
      // The exact-in output is the most the pair lets go: one more is tried first, and must fail.
      const most = quoteExactIn(state, { amountIn: quote.amountIn, zeroForOne }).amountOut
      calls.push(encode(most + 1n), encode(quote.amountOut))
      state = quote.after as V2Pool
    }
    const { receipts } = await bench.mine(calls)
    expect(receipts.map((receipt) => receipt.status)).toEqual(calls.map((_, at) => (at % 2 === 0 ? '0x0' : '0x1')))
    expect(await fresh(info)).toEqual(state)
    swapped += calls.length / 2
  }
  expect(swapped).toBeGreaterThan(400)
})

function randomQuote(state: V2Pool, zeroForOne: boolean, random: Random) {
  const [reserveIn, reserveOut] = zeroForOne ? [state.reserve0, state.reserve1] : [state.reserve1, state.reserve0]
  const upTo = (reserve: bigint, more: number) => raw(random.amount(0, reserve.toString().length + more))
  return random.coin()
    ? attempt(() => quoteExactIn(state, { amountIn: upTo(reserveIn, 1), zeroForOne }))
    : attempt(() => quoteExactOut(state, { amountOut: upTo(reserveOut, 0), zeroForOne }))
}

test('600 random swaps of V3 pools are what was computed, to the wei: amounts, price, tick and liquidity', async () => {
  const random = seeded(3)
  const [a, b] = [await bench.token(18), await bench.token(6)]
  const seen = { swaps: 0, crossed: 0, partial: 0 }
  for (const feePips of [500, 3000, 10000]) {
    const info = await bench.pool(a, b, feePips)
    const startTick = random.int(-200_000, 200_000)
    const price = sqrtPriceAtTick(startTick) + 12_345n
    await bench.mine([TESTER.encodeFunctionData('tickOfFreshPool', [info.address, price])])
    await bench.mine(positions(info, startTick, random))
    let state = (await fresh(info)) as V3Pool
    expect(Object.keys(state.ticks ?? {}).length).toBeGreaterThan(10)
    for (let round = 0; round < 4; round++) {
      const swaps = randomSwaps(state, random)
      const { receipts } = await bench.mine(swaps.map(({ input }) => encodeSwap(info, input)))
      const logs = receipts.map((receipt) => receipt.logs.find((log) => log.address === info.address) as RpcLog)
      expect(logs.map(onChain)).toEqual(swaps.map(expected))
      state = swaps.at(-1)?.result.after ?? state
      expect(await fresh(info)).toEqual(state)
      seen.swaps += swaps.length
      for (const { result } of swaps) {
        seen.crossed += result.ticksCrossed
        seen.partial += result.remaining > 0n ? 1 : 0
      }
    }
  }
  expect(seen.swaps).toBeGreaterThan(500)
  expect(seen.crossed).toBeGreaterThan(500)
  expect(seen.partial).toBeGreaterThan(20)
})

interface Swap {
  input: V3SwapInput
  result: ReturnType<typeof swapV3>
}

/** Fifty swaps, each on the state that the one before leaves. */
function randomSwaps(start: V3Pool, random: Random): Swap[] {
  let state = start
  const swaps: Swap[] = []
  for (let turn = 0; turn < 50; turn++) {
    const input = randomSwap(state, random)
    const result = attempt(() => swapV3(state, input))
    if (!result) continue
    swaps.push({ input, result })
    state = result.after
  }
  return swaps
}

/** Overlapping and touching positions, some tiny, one that leaves gaps without any liquidity further out. */
function positions(info: PoolInfo, at: number, random: Random): string[] {
  const spacing = info.tickSpacing as number
  const near = Math.floor(at / spacing)
  const calls: string[] = []
  for (let turn = 0; turn < 14; turn++) {
    const lower = near + random.int(-400, 300)
    const upper = lower + random.int(1, 120)
    const bounds = [lower * spacing, upper * spacing]
    calls.push(TESTER.encodeFunctionData('addLiquidity', [info.address, ...bounds, random.amount(3, 20)]))
  }
  // So deep that the smallest move of the price pays more than one unit: the output is then capped at what was wanted.
  const deep = [(near - 15) * spacing, (near + 15) * spacing]
  if (info.feePips === 3000) calls.push(TESTER.encodeFunctionData('addLiquidity', [info.address, ...deep, 10n ** 33n]))
  const wide = [(near - 40) * spacing, (near + 40) * spacing]
  calls.push(TESTER.encodeFunctionData('addLiquidity', [info.address, ...wide, 10n ** 18n]))
  // One position begins where another ends, with the same liquidity: a tick that is initialised with net 0.
  for (const step of [0, 20]) {
    const bounds = [(near + 60 + step) * spacing, (near + 80 + step) * spacing]
    calls.push(TESTER.encodeFunctionData('addLiquidity', [info.address, ...bounds, 10n ** 15n]))
  }
  return calls
}

function randomSwap(state: V3Pool, random: Random): V3SwapInput {
  const zeroForOne = random.coin()
  const amount = random.amount(0, random.coin(0.1) ? 33 : 22)
  const exactIn = random.coin()
  if (random.coin(0.25)) return { amount, exactIn, zeroForOne }
  const target = state.tick + (zeroForOne ? -1 : 1) * random.int(1, 2_000)
  const limit = sqrtPriceAtTick(Math.max(MIN_TICK + 1, Math.min(MAX_TICK - 1, target))) + BigInt(random.int(0, 1_000))
  return { amount, exactIn, zeroForOne, sqrtPriceLimitX96: sqrtPriceX96(limit) }
}

function encodeSwap(info: PoolInfo, { amount, exactIn, zeroForOne, sqrtPriceLimitX96 }: V3SwapInput): string {
  const limit = sqrtPriceLimitX96 ?? (zeroForOne ? MIN_SQRT_PRICE + 1n : MAX_SQRT_PRICE - 1n)
  return TESTER.encodeFunctionData('swapPool', [info.address, zeroForOne, exactIn ? amount : -amount, limit])
}

const onChain = ({ data }: RpcLog) => ({
  amount0: signedWord(data, 0),
  amount1: signedWord(data, 1),
  price: word(data, 2),
  liquidity: word(data, 3),
  tick: Number(signedWord(data, 4)),
})

function expected({ result, input }: Swap): ReturnType<typeof onChain> {
  const [amount0, amount1] = input.zeroForOne
    ? [result.amountIn, -result.amountOut]
    : [-result.amountOut, result.amountIn]
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
    const call = TESTER.encodeFunctionData('tickOfFreshPool', [info.address, price])
    return Number(
      BigInt.asIntN(
        256,
        BigInt(await bench.rpc.request<string>('eth_call', [{ to: bench.tester, data: call }, 'latest'])),
      ),
    )
  }
  const answers = await Promise.all(
    ticks.map(async (tick) => [await askTick(sqrtPriceAtTick(tick)), await askTick(sqrtPriceAtTick(tick) - 1n)]),
  )
  expect(answers).toEqual(ticks.map((tick) => [tick, tick - 1]))
  expect([sqrtPriceAtTick(MIN_TICK), sqrtPriceAtTick(MAX_TICK)]).toEqual([MIN_SQRT_PRICE, MAX_SQRT_PRICE])
})
