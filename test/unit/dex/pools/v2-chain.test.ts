import { AbiCoder } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Tracked } from '../../../../agent/dex/pools/kind.ts'
import { loadTracked } from '../../../../agent/dex/pools/load.ts'
import { leastAmountIn, quoteExactIn, quoteExactOut } from '../../../../agent/dex/pools/quote.ts'
import type { PoolInfo } from '../../../../src/protocol/chain.ts'
import type { V2Pool } from '../../../../src/protocol/trade.ts'
import { type Raw, raw } from '../../../../src/protocol/units.ts'
import { type Bench, compiled, seeded, startBench, TESTER } from '../../../fixtures/dex/bench.ts'
import { attempt, followed, type Random } from '../../../fixtures/dex/tick-swaps.ts'

let bench: Bench
beforeAll(async () => {
  bench = await startBench()
})
afterAll(() => bench?.stop())

const fresh = async (info: PoolInfo): Promise<Tracked> =>
  (await loadTracked(bench.rpc, [info], (await bench.head()).hash))[0] as Tracked

/** Token0 and token1 of a pair that begins with them. */
const DEPTHS = [
  [10n ** 21n, 3n * 10n ** 12n],
  [12_345n, 987n],
  [(1n << 111n) + 7n, 10n ** 5n],
] as const

test('1,000 random swaps of Uniswap V2 pairs pay what was quoted, to the wei, and not one wei more', async () => {
  const random = seeded(2)
  let swapped = 0
  for (const depths of DEPTHS) {
    const info = await bench.pair(await bench.token(18), await bench.token(6))
    swapped += await proveExact(info, depths, 480, random)
  }
  expect(swapped).toBeGreaterThan(1_000)
})

test('300 random swaps of forks with fees of their own, from none to 1 %, likewise', async () => {
  const random = seeded(6)
  const code = compiled('FeePair')
  let swapped = 0
  for (const [at, tenThousandths] of [0, 25, 30, 100].entries()) {
    const [a, b] = [await bench.token(18), await bench.token(6)]
    const [token0, token1] = a < b ? [a, b] : [b, a]
    const args = AbiCoder.defaultAbiCoder().encode(['address', 'address', 'uint256'], [token0, token1, tenThousandths])
    const address = await bench.deploy(code + args.slice(2))
    const info = { kind: 'v2', address, dex: 'fork', token0, token1, feePips: tenThousandths * 100 } as const
    swapped += await proveExact(info, DEPTHS[at % 2] as (typeof DEPTHS)[number], 120, random)
  }
  expect(swapped).toBeGreaterThan(300)
})

/** Swaps of one pair, in one block. @returns how many there were */
async function proveExact(
  info: PoolInfo,
  depths: readonly [bigint, bigint],
  turns: number,
  random: Random,
): Promise<number> {
  await bench.mine([TESTER.encodeFunctionData('fillPair', [info.address, ...depths])])
  const before = await fresh(info)
  let state = before.pool as V2Pool
  const calls: string[] = []
  for (let turn = 0; turn < turns; turn++) {
    const zeroForOne = random.coin()
    const [amountIn, amountOut] = randomAmounts(state, zeroForOne, random)
    if (amountOut === 0n) continue
    const encode = (out: bigint) => TESTER.encodeFunctionData('swapPair', [info.address, zeroForOne, amountIn, out])
    // The exact-in output is the most the pair lets go: one more is tried first, and must fail.
    const { amountOut: most } = quoteExactIn(state, { amountIn, zeroForOne })
    calls.push(encode(most + 1n), encode(amountOut))
    const [in0, in1] = zeroForOne ? [amountIn, -amountOut] : [-amountOut, amountIn]
    state = { ...state, reserve0: raw(state.reserve0 + in0), reserve1: raw(state.reserve1 + in1) }
  }
  const { receipts } = await bench.mine(calls)
  expect(receipts.map((receipt) => receipt.status)).toEqual(calls.map((_, at) => (at % 2 === 0 ? '0x0' : '0x1')))
  expect(followed(before, receipts)).toEqual({ pool: state, gross: {} })
  expect(await fresh(info)).toEqual({ pool: state, gross: {} })
  return calls.length / 2
}

/** By exact input, by exact output, or by the least input for an output; 0 out where the pair cannot. */
function randomAmounts(state: V2Pool, zeroForOne: boolean, random: Random): [Raw, Raw] {
  const [reserveIn, reserveOut] = zeroForOne ? [state.reserve0, state.reserve1] : [state.reserve1, state.reserve0]
  const upTo = (reserve: bigint, more: number) => raw(random.amount(0, reserve.toString().length + more))
  if (random.coin(0.4)) {
    const quote = attempt(() => quoteExactIn(state, { amountIn: upTo(reserveIn, 1), zeroForOne }))
    return [quote?.amountIn ?? raw(0n), quote?.amountOut ?? raw(0n)]
  }
  const swap = { amountOut: upTo(reserveOut, 0), zeroForOne }
  const quote = attempt(() => quoteExactOut(state, swap))
  if (!quote) return [raw(0n), raw(0n)]
  return [random.coin() ? quote.amountIn : leastAmountIn(state, swap), quote.amountOut]
}
