import { keccak256 } from 'ethers'
import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { PoolId, V4Pool } from '../../../src/protocol/trade.ts'
import { type Address, gasUnits, type Hex, type Pips, sqrtPriceX96 } from '../../../src/protocol/units.ts'
import { abiWord, signedWord, word } from '../chain-types.ts'
import type { PoolKindModule, PoolRef, ReadAt } from './kind.ts'
import { askAll, selector } from './lens.ts'
import { notAPool, spacingOf, staticPart, topic } from './reading.ts'
import { inGroups, loadTicks, type TickReader } from './tick-load.ts'
import { afterLiquidity, leastInput, movedSlot0, quoteTicks, tickCurve } from './ticks.ts'
import { poolEmpty } from './v2-math.ts'
import { type SwapInput, type SwapResult, swapTicks } from './v3-math/swap.ts'

const EXTSLOAD = selector('extsload(bytes32)')

const SWAP = topic('Swap(bytes32,address,int128,int128,uint160,uint128,int24,uint24)')
const MODIFY_LIQUIDITY = topic('ModifyLiquidity(bytes32,address,int24,int24,int256,bytes32)')
const INITIALIZE = topic('Initialize(bytes32,address,address,uint24,int24,address,uint160,int24)')
const PROTOCOL_FEE_UPDATED = topic('ProtocolFeeUpdated(bytes32,uint24)')

/** The manager's mapping of pools, and where within a pool's storage things are. */
const POOLS_SLOT = 6
const LIQUIDITY_AT = 3n
const TICKS_AT = 4n
const BITMAP_AT = 5n

const MILLION = 1_000_000
const BITS_12 = 0xfffn
const BITS_128 = (1n << 128n) - 1n
/** The manager keeps what a swap pays, and takes what is paid for it, as int128, and reverts beyond. */
const MOST = 1n << 127n

/** keccak256 of a pool's key; the pool has no hooks. token0 below token1. */
export function v4PoolId(key: { token0: Address; token1: Address; feePips: Pips; tickSpacing: number }): PoolId {
  const words = [BigInt(key.token0), BigInt(key.token1), key.feePips, key.tickSpacing, 0]
  return keccak256(`0x${words.map(abiWord).join('')}`) as Hex
}

/** What a swap takes of its input: the protocol's fee first, of what is left the liquidity's; 1,000,000 is everything. */
export function v4SwapFee({ feePips, protocolFeePips }: V4Pool, zeroForOne: boolean): Pips {
  const protocol = protocolFeePips[zeroForOne ? 0 : 1]
  return protocol + feePips - Math.floor((protocol * feePips) / MILLION)
}

/** What `PoolManager.swap` does. */
export function swapV4(pool: V4Pool, input: SwapInput): SwapResult<V4Pool> {
  const feePips = v4SwapFee(pool, input.zeroForOne)
  if (feePips >= MILLION && !input.exactIn) throw poolEmpty('its fee takes all of an input')
  const result = swapTicks(pool, input, { feePips, sparedIsInput: true })
  if (result.amountIn >= MOST || result.amountOut >= MOST) throw poolEmpty('the amounts do not fit into 128 bits')
  return result
}

/**
 * V4 pools without their ticks: what they are at their price, for a call or two however many they are.
 * @throws FleetError `config_invalid` for what no manager has
 */
export async function v4AtPrice(at: ReadAt, pools: readonly PoolInfo[]): Promise<V4Pool[]> {
  const ask = (offset: bigint) =>
    askAll(
      at,
      pools.map((pool) => storage(pool, stateSlot(pool) + offset)),
      1,
    )
  const [slots, liquidities] = await Promise.all([ask(0n), ask(LIQUIDITY_AT)])
  return pools.map((info, index) => {
    const [slot, liquidity] = [slots[index], liquidities[index]]
    if (!slot || !liquidity) throw notAPool(info)
    const slot0 = word(slot, 0)
    return {
      kind: 'v4',
      ...staticPart(info),
      manager: managerOf(info),
      tickSpacing: spacingOf(info),
      sqrtPriceX96: sqrtPriceX96(BigInt.asUintN(160, slot0)),
      tick: Number(BigInt.asIntN(24, slot0 >> 160n)),
      protocolFeePips: protocolFees(slot0 >> 184n),
      liquidity: word(liquidity, 0),
    }
  })
}

/** Uniswap V4 pools without hooks, between two tokens, all in one PoolManager. */
export const v4: PoolKindModule<V4Pool> = {
  kind: 'v4',
  codeKey: 'v4_manager',
  hopGas: gasUnits(64_000n),
  topics: [SWAP, MODIFY_LIQUIDITY, INITIALIZE, PROTOCOL_FEE_UPDATED],
  contractOf: managerOf,
  poolIdOf: ({ topics }) => topics[1] as Hex,

  quoteExactIn: (pool, swap) => quoteTicks(pool, swap, { amount: swap.amountIn, exactIn: true }, swapV4),
  quoteExactOut: (pool, swap) => quoteTicks(pool, swap, { amount: swap.amountOut, exactIn: false }, swapV4),
  leastAmountIn: (pool, swap) => leastInput(pool, swap, swapV4),
  curve: (pool, zeroForOne) => tickCurve(pool, zeroForOne, v4SwapFee(pool, zeroForOne)),

  load: (at, pools, loaded) =>
    inGroups(pools, loaded, async (group) => {
      const [shallow, ticks] = await Promise.all([v4AtPrice(at, group), loadTicks(at, group, READER)])
      return shallow.map((pool, index) => {
        const found = ticks[index]
        return { pool: { ...pool, ticks: found?.ticks }, gross: found?.gross ?? {} }
      })
    }),

  applyLog(tracked, { topics, data }) {
    const { pool } = tracked
    if (topics[1] !== pool.address) return tracked
    switch (topics[0]) {
      case SWAP: {
        const [price, liquidity, tick] = [word(data, 2), word(data, 3), Number(signedWord(data, 4))]
        return { ...tracked, pool: { ...pool, sqrtPriceX96: sqrtPriceX96(price), liquidity, tick } }
      }
      case INITIALIZE: {
        const [price, tick] = [word(data, 3), Number(signedWord(data, 4))]
        return { ...tracked, pool: { ...pool, sqrtPriceX96: sqrtPriceX96(price), tick } }
      }
      case MODIFY_LIQUIDITY:
        return afterLiquidity(tracked, [Number(signedWord(data, 0)), Number(signedWord(data, 1))], signedWord(data, 2))
      case PROTOCOL_FEE_UPDATED:
        return { ...tracked, pool: { ...pool, protocolFeePips: protocolFees(word(data, 0)) } }
      default:
        return tracked
    }
  },

  priceSlot: (pool) => `0x${abiWord(stateSlot(pool))}`,
  movedPrice: movedSlot0,
}

/** @param packed token0 going in: the lowest 12 bits, token1 going in: the next 12 */
const protocolFees = (packed: bigint): [number, number] => [Number(packed & BITS_12), Number((packed >> 12n) & BITS_12)]

/** Where a pool's storage begins. */
const stateSlot = ({ address }: Pick<PoolRef, 'address'>): bigint =>
  BigInt(keccak256(`0x${address.slice(2)}${abiWord(POOLS_SLOT)}`))

/** Calldata that asks the manager for the liquidity at a pool's price. */
export const v4LiquidityCall = (id: Hex): string => EXTSLOAD + abiWord(stateSlot({ address: id }) + LIQUIDITY_AT)

/** The slot of an entry of a mapping. */
const entrySlot = (key: number, mapping: bigint): bigint => BigInt(keccak256(`0x${abiWord(key)}${abiWord(mapping)}`))

const storage = (pool: PoolRef, slot: bigint) => ({ target: managerOf(pool), selector: EXTSLOAD, argument: slot })

const READER: TickReader = {
  bitmap: (pool, position) => storage(pool, entrySlot(position, stateSlot(pool) + BITMAP_AT)),
  tick: (pool, tick) => storage(pool, entrySlot(tick, stateSlot(pool) + TICKS_AT)),
  tickWords: 1,
  decode(answer) {
    const packed = word(answer, 0)
    return { gross: packed & BITS_128, net: BigInt.asIntN(128, packed >> 128n) }
  },
}

function managerOf({ address, manager }: PoolRef): Address {
  if (manager) return manager
  throw new FleetError('config_invalid', `V4 pool ${address} has no manager`, {
    remedy: 'Give the pool the address of its PoolManager.',
  })
}
