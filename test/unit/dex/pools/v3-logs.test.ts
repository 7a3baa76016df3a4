import { expect, test } from 'vitest'
import { abiWord, type RpcLog } from '../../../../agent/dex/chain-types.ts'
import { logFilterOf, poolIdOf } from '../../../../agent/dex/pools/log-filter.ts'
import { applyLog } from '../../../../agent/dex/pools/logs.ts'
import { topic } from '../../../../agent/dex/pools/reading.ts'
import { sqrtPriceAtTick } from '../../../../agent/dex/pools/v3-math/tick-math.ts'
import type { Address, Hex } from '../../../../src/protocol/units.ts'
import { v3Pool } from '../../../fixtures/dex/pools.ts'
import { hash } from '../../../fixtures/trade.ts'

const UNISWAP = topic('Swap(address,address,int256,int256,uint160,uint128,int24)')
const PANCAKE = topic('Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)')
const pool = v3Pool(0, [[-500, 500, 10n ** 20n]], { feePips: 2500, tickSpacing: 50 })

/** A swap of token1 for token0 that ended at a tick; PancakeSwap's with what the protocol kept of both tokens. */
const swap = (first: Hex, tick: number, ...kept: bigint[]): RpcLog => ({
  address: pool.address as Address,
  topics: [first, hash(1), hash(2)],
  data: `0x${[-5n, 7n, sqrtPriceAtTick(tick), 10n ** 19n, BigInt(tick), ...kept].map(abiWord).join('')}`,
  ...{ blockHash: hash(3), blockNumber: '0x1', transactionHash: hash(4), logIndex: '0x0' },
})

test('PancakeSwap’s log of a swap, two words longer, moves a pool as Uniswap’s does, and is subscribed to', () => {
  const tracked = { pool, gross: {} }
  const moved = applyLog(tracked, swap(PANCAKE, -77, 3n, 4n))
  expect(moved.pool).toMatchObject({ tick: -77, liquidity: 10n ** 19n, sqrtPriceX96: sqrtPriceAtTick(-77) })
  expect(moved).toEqual(applyLog(tracked, swap(UNISWAP, -77)))
  expect(poolIdOf(swap(PANCAKE, 1, 3n, 4n))).toBe(pool.address)
  expect(logFilterOf([pool]).topics[0]).toEqual(expect.arrayContaining([UNISWAP, PANCAKE]))
})
