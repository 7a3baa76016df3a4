import { id } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RpcLog, type RpcReceipt, signedWord, word } from '../../../../agent/dex/chain-types.ts'
import type { Tracked } from '../../../../agent/dex/pools/kind.ts'
import { loadTracked } from '../../../../agent/dex/pools/load.ts'
import { quoteExactIn } from '../../../../agent/dex/pools/quote.ts'
import type { SwapInput } from '../../../../agent/dex/pools/v3-math/swap.ts'
import { MAX_SQRT_PRICE, MIN_SQRT_PRICE, sqrtPriceAtTick } from '../../../../agent/dex/pools/v3-math/tick-math.ts'
import { swapV4, v4 as v4Kind, v4SwapFee } from '../../../../agent/dex/pools/v4.ts'
import type { PoolInfo } from '../../../../src/protocol/chain.ts'
import type { PoolState, V3Pool, V4Pool } from '../../../../src/protocol/trade.ts'
import { type Address, type Hex, raw } from '../../../../src/protocol/units.ts'
import { type Bench, seeded, startBench, TESTER } from '../../../fixtures/dex/bench.ts'
import {
  attempt,
  followed,
  randomPositions,
  randomSwaps,
  Tally,
  type TickSwap,
} from '../../../fixtures/dex/tick-swaps.ts'
import { startV4, type V4Bench } from '../../../fixtures/dex/v4.ts'

let bench: Bench
let v4: V4Bench
beforeAll(async () => {
  bench = await startBench()
  v4 = await startV4(bench)
})
afterAll(() => bench?.stop())

const fresh = async (info: PoolInfo): Promise<Tracked> =>
  (await loadTracked(bench.rpc, [info], (await bench.head()).hash))[0] as Tracked

/** Fee, tick spacing, and what the protocol takes of token0 and token1 going in. The last: everything is fee. */
const POOLS = [
  [100, 1, [0, 0]],
  [500, 10, [0, 300]],
  [3000, 60, [1000, 137]],
  [10000, 200, [0, 0]],
  [0, 60, [250, 0]],
  [999_999, 60, [1000, 0]],
] as const

test('1,200 random swaps of V4 pools are what was computed, to the wei: amounts, price, tick, liquidity and fee', async () => {
  const random = seeded(5)
  const [a, b] = [await bench.token(18), await bench.token(6)]
  const tally = new Tally()
  for (const [feePips, spacing, [fee0, fee1]] of POOLS) {
    const info = v4.pool(a, b, feePips, spacing)
    const home = random.int(-200_000, 200_000)
    const blank = await fresh(info)
    const positions = randomPositions(home, spacing, random)
    const set = await v4.mine([
      v4.encode('initialize', info, sqrtPriceAtTick(home) + 12_345n),
      v4.encode('setProtocolFee', info, fee0 + fee1 * 4096),
      ...positions.map((position) => v4.encode('change', info, ...position)),
    ])
    expect(new Set(set.receipts.map(({ status }) => status))).toEqual(new Set(['0x1']))
    // From nothing, by logs alone, to the end: what the manager writes of its other pools is passed over.
    let tracked = followed(blank, set.receipts)
    expect((tracked.pool as V4Pool).protocolFeePips).toEqual([fee0, fee1])
    for (let round = 0; round < 4; round++) {
      const swaps = randomSwaps(tracked.pool as V4Pool, { count: 50, home, random, swap: swapV4 })
      const receipts = await proveExact(info, swaps)
      tally.count(swaps)
      const gone = positions.splice(0, 2).map(([lower, upper, liquidity]) => [lower, upper, -liquidity] as const)
      const changes = [...gone, ...randomPositions(home, spacing, random).slice(0, 2)]
      const more = await v4.mine(changes.map((change) => v4.encode('change', info, ...change)))
      tracked = followed(tracked, [...receipts, ...more.receipts])
    }
    expect(tracked).toEqual(await fresh(info))
  }
  expect(tally).toMatchObject({ swaps: 1_200 })
  expect(Math.min(tally.crossed, tally.partial, tally.onTick, tally.empty, tally.refused)).toBeGreaterThan(50)
})

test('amounts beyond 128 bits are refused, as the manager refuses them', async () => {
  const info = await widePool(500, 0, 10n ** 33n)
  const most = 1n << 127n
  const swaps = await proveInputs(info, [
    { amount: most, exactIn: true, zeroForOne: false },
    { amount: most - 1n, exactIn: true, zeroForOne: false },
    { amount: most - 1n, exactIn: true, zeroForOne: false },
    { amount: most, exactIn: false, zeroForOne: true },
    { amount: most - 1n, exactIn: false, zeroForOne: true },
    { amount: 10n ** 39n, exactIn: false, zeroForOne: false },
  ])
  expect(swaps.map(({ result }) => result !== undefined)).toEqual([false, true, true, false, true, false])
})

test('the fee that a quote names is what the liquidity earns, of a V3 pool and of a V4 pool', async () => {
  const [a, b] = [await bench.token(18), await bench.token(18)]
  const [inPool, inManager] = [await bench.pool(a, b, 3000), v4.pool(a, b, 3000, 60)]
  // So deep that a step of the price is worth thousands of units: rounding spares much.
  const liquidity = 10n ** 33n
  await bench.mine([
    TESTER.encodeFunctionData('tickOfFreshPool', [inPool.address, sqrtPriceAtTick(30)]),
    TESTER.encodeFunctionData('addLiquidity', [inPool.address, -6_000, 6_000, liquidity]),
  ])
  await v4.mine([
    v4.encode('initialize', inManager, sqrtPriceAtTick(30)),
    v4.encode('change', inManager, -6_000, 6_000, liquidity),
  ])
  const random = seeded(7)
  const amounts = Array.from({ length: 60 }, () => random.amount(0, 11))
  await bench.mine(
    amounts.map((amount) => TESTER.encodeFunctionData('swapPool', [inPool.address, true, amount, MIN_SQRT_PRICE + 1n])),
  )
  await v4.mine(amounts.map((amount) => encodeSwap(inManager, { amount, exactIn: true, zeroForOne: true })))
  const fees = async (info: PoolInfo): Promise<bigint> => {
    const start = { ...(await fresh(info)).pool, sqrtPriceX96: sqrtPriceAtTick(30), tick: 30, liquidity } as
      | V3Pool
      | V4Pool
    let [pool, sum]: [PoolState, bigint] = [start, 0n]
    for (const amount of amounts) {
      const { feeAmount, after } = quoteExactIn(pool, { amountIn: raw(amount), zeroForOne: true })
      sum += feeAmount
      pool = after
    }
    return sum
  }
  /** Growth is per unit of liquidity, in 2^-128, rounded down at each swap. */
  const earned = (growth: bigint): bigint => (growth * liquidity + (1n << 127n)) >> 128n
  const read = async (to: Address, data: string): Promise<bigint> =>
    BigInt(await bench.rpc.request<Hex>('eth_call', [{ to, data }, 'latest']))
  const growth0 = BigInt(v4Kind.priceSlot(inManager)) + 1n
  expect(earned(await read(inPool.address, id('feeGrowthGlobal0X128()').slice(0, 10)))).toBe(await fees(inPool))
  const extsload = id('extsload(bytes32)').slice(0, 10) + growth0.toString(16).padStart(64, '0')
  expect(earned(await read(v4.manager, extsload))).toBe(await fees(inManager))
  // They do not count alike what rounding spares.
  expect(await fees(inPool)).not.toBe(await fees(inManager))
})

/** A pool with ticks so far apart that a step can cross the whole range of prices. */
async function widePool(feePips: number, tick: number, liquidity: bigint): Promise<PoolInfo> {
  const [a, b] = [await bench.token(18), await bench.token(18)]
  const info = v4.pool(a, b, feePips, 16_383)
  const set = await v4.mine([
    v4.encode('initialize', info, sqrtPriceAtTick(tick)),
    v4.encode('change', info, -54 * 16_383, 54 * 16_383, liquidity),
  ])
  expect(set.receipts.map(({ status }) => status)).toEqual(['0x1', '0x1'])
  return info
}

async function proveInputs(info: PoolInfo, inputs: readonly SwapInput[]): Promise<TickSwap<V4Pool>[]> {
  let state = (await fresh(info)).pool as V4Pool
  const swaps = inputs.map((input) => {
    const result = attempt(() => swapV4(state, input))
    state = result?.after ?? state
    return { input, result }
  })
  await proveExact(info, swaps)
  expect((await fresh(info)).pool).toEqual(state)
  return swaps
}

async function proveExact(info: PoolInfo, swaps: readonly TickSwap<V4Pool>[]): Promise<RpcReceipt[]> {
  const { receipts } = await v4.mine(swaps.map(({ input }) => encodeSwap(info, input)))
  const logs = receipts.map((receipt) => receipt.logs.find((log) => log.topics[1] === info.address))
  expect(logs.map(onChain)).toEqual(swaps.map(expected))
  return receipts
}

function encodeSwap(info: PoolInfo, { amount, exactIn, zeroForOne, sqrtPriceLimitX96 }: SwapInput): string {
  const limit = sqrtPriceLimitX96 ?? (zeroForOne ? MIN_SQRT_PRICE + 1n : MAX_SQRT_PRICE - 1n)
  return v4.encode('swap', info, zeroForOne, exactIn ? -amount : amount, limit)
}

/** As the caller sees it: what it pays is negative. */
const onChain = (log: RpcLog | undefined) =>
  log && {
    amount0: signedWord(log.data, 0),
    amount1: signedWord(log.data, 1),
    price: word(log.data, 2),
    liquidity: word(log.data, 3),
    tick: Number(signedWord(log.data, 4)),
    feePips: Number(word(log.data, 5)),
  }

function expected({ result, input }: TickSwap<V4Pool>): ReturnType<typeof onChain> {
  if (!result) return undefined
  const [paid, bought] = [-result.amountIn, result.amountOut]
  const [amount0, amount1] = input.zeroForOne ? [paid, bought] : [bought, paid]
  const { sqrtPriceX96: price, liquidity, tick } = result.after
  return { amount0, amount1, price, liquidity, tick, feePips: v4SwapFee(result.after, input.zeroForOne) }
}
