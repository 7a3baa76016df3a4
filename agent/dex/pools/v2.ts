import { FleetError } from '../../../src/protocol/errors.ts'
import type { V2Pool } from '../../../src/protocol/trade.ts'
import { gasUnits, type Hex, type Raw, raw } from '../../../src/protocol/units.ts'
import { abiWord, word } from '../chain-types.ts'
import { constantProduct } from '../search/curve.ts'
import type { ExactIn, ExactOut, PoolKindModule, Quote } from './kind.ts'
import { askAll, selector } from './lens.ts'
import { notAPool, staticPart, topic } from './reading.ts'
import { getAmountIn, getAmountOut, leastAmountIn, MILLION, v2Reserves } from './v2-math.ts'

const GET_RESERVES = selector('getReserves()')
const SYNC = topic('Sync(uint112,uint112)')
/** A pair packs reserve0 (112 bits), reserve1 (112 bits) and the time of its last swap into slot 8. */
const RESERVES_SLOT: Hex = `0x${abiWord(8)}`
const BITS_112 = (1n << 112n) - 1n

/** Uniswap V2 and its forks, which differ in the fee alone: 3000 is 997/1000, 2500 is 9975/10000, to the wei. */
export const v2: PoolKindModule<V2Pool> = {
  kind: 'v2',
  codeKey: 'v2_pair',
  hopGas: gasUnits(54_000n),
  topics: [SYNC],
  contractOf: ({ address }) => address,
  poolIdOf: (log) => log.address,

  quoteExactIn(pool, swap) {
    refuseLimit(swap)
    const { amountIn, zeroForOne } = swap
    return quoted(pool, zeroForOne, amountIn, getAmountOut(amountIn, v2Reserves(pool, zeroForOne), pool.feePips))
  },

  quoteExactOut(pool, swap) {
    refuseLimit(swap)
    const { amountOut, zeroForOne } = swap
    return quoted(pool, zeroForOne, getAmountIn(amountOut, v2Reserves(pool, zeroForOne), pool.feePips), amountOut)
  },

  leastAmountIn: (pool, { amountOut, zeroForOne }) =>
    leastAmountIn(amountOut, v2Reserves(pool, zeroForOne), pool.feePips),

  curve(pool, zeroForOne) {
    const reserves = v2Reserves(pool, zeroForOne)
    return constantProduct(Number(reserves.in), Number(reserves.out), 1 - pool.feePips / 1e6)
  },

  async load(at, pools, loaded) {
    const questions = pools.map((pool) => ({ target: pool.address, selector: GET_RESERVES }))
    const answers = await askAll(at, questions, 3, loaded)
    return pools.map((info, index) => {
      const reserves = answers[index]
      if (!reserves) throw notAPool(info)
      const [reserve0, reserve1] = [raw(word(reserves, 0)), raw(word(reserves, 1))]
      return { pool: { kind: 'v2', ...staticPart(info), reserve0, reserve1 }, gross: {} }
    })
  },

  applyLog(tracked, { topics, data }) {
    if (topics[0] !== SYNC) return tracked
    const pool = { ...tracked.pool, reserve0: raw(word(data, 0)), reserve1: raw(word(data, 1)) }
    return { ...tracked, pool }
  },

  priceSlot: () => RESERVES_SLOT,

  /** What the pair holds above a reserve only makes its own check easier, and our contract computes from reserves. */
  movedPrice(packed, zeroForOne, bps) {
    const shift = zeroForOne ? 112n : 0n
    const bought = (packed >> shift) & BITS_112
    const left = (bought * BigInt(10_000 - bps)) / 10_000n
    return packed - ((bought - left) << shift)
  },
}

function quoted(pool: V2Pool, zeroForOne: boolean, amountIn: Raw, amountOut: Raw): Quote<V2Pool> {
  const [in0, in1] = zeroForOne ? [amountIn, -amountOut] : [-amountOut, amountIn]
  const after = { ...pool, reserve0: raw(pool.reserve0 + in0), reserve1: raw(pool.reserve1 + in1) }
  const feeAmount = raw(amountIn - (amountIn * (MILLION - BigInt(pool.feePips))) / MILLION)
  return { amountIn, amountOut, feeAmount, remaining: raw(0n), after }
}

function refuseLimit({ sqrtPriceLimitX96 }: ExactIn | ExactOut): void {
  if (sqrtPriceLimitX96 === undefined) return
  throw new FleetError('unsupported', 'a pair has no price limit', {
    remedy: 'Give a limit to pools of concentrated liquidity only.',
  })
}
