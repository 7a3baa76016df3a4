import type { V3Pool } from '../../../src/protocol/trade.ts'
import { gasUnits, type Hex, sqrtPriceX96 } from '../../../src/protocol/units.ts'
import { abiWord, type RpcLog, signedWord, word } from '../chain-types.ts'
import type { PoolKindModule } from './kind.ts'
import { askAll, selector } from './lens.ts'
import { notAPool, spacingOf, staticPart, topic } from './reading.ts'
import { inGroups, loadTicks, type TickReader } from './tick-load.ts'
import { afterLiquidity, leastInput, movedSlot0, quoteTicks, tickCurve } from './ticks.ts'
import { type SwapInput, type SwapResult, swapTicks } from './v3-math/swap.ts'

const SLOT0 = selector('slot0()')
const LIQUIDITY = selector('liquidity()')
const TICK_BITMAP = selector('tickBitmap(int16)')
const TICKS = selector('ticks(int24)')

const SWAP = topic('Swap(address,address,int256,int256,uint160,uint128,int24)')
/** PancakeSwap's says two words more: what the protocol keeps of the fee. */
const SWAP_WITH_FEES = topic('Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)')
const MINT = topic('Mint(address,address,int24,int24,uint128,uint256,uint256)')
const BURN = topic('Burn(address,int24,int24,uint128,uint256,uint256)')
const INITIALIZE = topic('Initialize(uint160,int24)')

/** A pool packs sqrtPriceX96 and tick, and what else fits, into slot 0; PancakeSwap's fees no longer do. */
const SLOT0_SLOT: Hex = `0x${abiWord(0)}`

/** What `UniswapV3Pool.swap` does. */
export const swapV3 = (pool: V3Pool, input: SwapInput): SwapResult<V3Pool> =>
  swapTicks(pool, input, { feePips: pool.feePips, sparedIsInput: false })

/** Uniswap V3, every fee tier, and forks with the same maths and logs; of PancakeSwap's also those of its swaps. */
export const v3: PoolKindModule<V3Pool> = {
  kind: 'v3',
  codeKey: 'v3_pool',
  hopGas: gasUnits(66_000n),
  topics: [SWAP, SWAP_WITH_FEES, MINT, BURN, INITIALIZE],
  contractOf: ({ address }) => address,
  poolIdOf: (log) => log.address,

  quoteExactIn: (pool, swap) => quoteTicks(pool, swap, { amount: swap.amountIn, exactIn: true }, swapV3),
  quoteExactOut: (pool, swap) => quoteTicks(pool, swap, { amount: swap.amountOut, exactIn: false }, swapV3),
  leastAmountIn: (pool, swap) => leastInput(pool, swap, swapV3),
  curve: (pool, zeroForOne) => tickCurve(pool, zeroForOne, pool.feePips),

  load: (at, pools, loaded) =>
    inGroups(pools, loaded, async (group) => {
      const ask = (of: Hex, words: number) =>
        askAll(
          at,
          group.map(({ address }) => ({ target: address, selector: of })),
          words,
        )
      const [slots, liquidities] = await Promise.all([ask(SLOT0, 2), ask(LIQUIDITY, 1)])
      const missing = group.find((_, index) => !slots[index] || !liquidities[index])
      if (missing) throw notAPool(missing)
      const ticks = await loadTicks(at, group, READER)
      return group.map((info, index) => {
        const [slot0, liquidity, found] = [slots[index] as Hex, liquidities[index] as Hex, ticks[index]]
        const pool: V3Pool = {
          kind: 'v3',
          ...staticPart(info),
          tickSpacing: spacingOf(info),
          sqrtPriceX96: sqrtPriceX96(word(slot0, 0)),
          tick: Number(signedWord(slot0, 1)),
          liquidity: word(liquidity, 0),
          ticks: found?.ticks,
        }
        return { pool, gross: found?.gross ?? {} }
      })
    }),

  applyLog(tracked, log) {
    const { data, topics } = log
    switch (topics[0]) {
      case SWAP:
      case SWAP_WITH_FEES: {
        const [price, liquidity, tick] = [word(data, 2), word(data, 3), Number(signedWord(data, 4))]
        return { ...tracked, pool: { ...tracked.pool, sqrtPriceX96: sqrtPriceX96(price), liquidity, tick } }
      }
      case INITIALIZE: {
        const [price, tick] = [word(data, 0), Number(signedWord(data, 1))]
        return { ...tracked, pool: { ...tracked.pool, sqrtPriceX96: sqrtPriceX96(price), tick } }
      }
      case MINT:
        return afterLiquidity(tracked, bounds(log), word(data, 1))
      case BURN:
        return afterLiquidity(tracked, bounds(log), -word(data, 0))
      default:
        return tracked
    }
  },

  priceSlot: () => SLOT0_SLOT,
  movedPrice: movedSlot0,
}

const bounds = ({ topics }: RpcLog): [number, number] => [
  Number(signedWord(topics[2] as Hex, 0)),
  Number(signedWord(topics[3] as Hex, 0)),
]

const READER: TickReader = {
  bitmap: ({ address }, position) => ({ target: address, selector: TICK_BITMAP, argument: position }),
  tick: ({ address }, tick) => ({ target: address, selector: TICKS, argument: tick }),
  tickWords: 2,
  decode: (answer) => ({ gross: word(answer, 0), net: signedWord(answer, 1) }),
}
