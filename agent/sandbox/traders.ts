import { Interface, toQuantity } from 'ethers'
import type { PoolInfo } from '../../src/protocol/chain.ts'
import type { Rpc } from '../dex/rpc.ts'
import type { DeployedPool } from './deploy-pools.ts'
import { MARKET_MAKER } from './deployer.ts'
import type { Market } from './market.ts'
import { randomOf } from './random.ts'

/** One trader's wish: bring a pool to a price. */
export interface Order {
  /** Index in the market's `deployed`. */
  pool: number
  /** Where the price shall be, in parts per million above the fair start price of that pool. */
  offsetPpm: number
}

type Tradable = Pick<DeployedPool, 'info' | 'fairSqrtPriceX96'>

const ORDERS = { least: 4, most: 7 } as const
/** How far a single trader strays from what the whole market thinks. */
const STRAY_PPM = 9_000
/** How far the market's opinion of a token wanders, and in how many blocks it comes back: it never runs away. */
const WAVES = [
  { ppm: 12_000, blocks: 61 },
  { ppm: 25_000, blocks: 509 },
] as const
const TRADE = new Interface(['function trade(uint256[] orders, uint160[] targets)'])
/** Seven trades of the dearest kind, with ticks crossed, stay below it. */
const TRADE_GAS = 3_000_000n

/**
 * What the traders want in one block. Pure: the same seed, block and market give the same orders. Each order names another
 * pool. Prices move around their start for ever: a token's fair value is a sum of waves, each trade strays around it.
 */
export function ordersAt(seed: string, block: number, pools: readonly DeployedPool[]): Order[] {
  const random = randomOf(`${seed}/block/${block}`)
  const count = Math.min(pools.length, ORDERS.least + Math.floor(random() * (ORDERS.most - ORDERS.least + 1)))
  const left = pools.map((_, index) => index)
  return Array.from({ length: count }, () => {
    const pool = left.splice(Math.floor(random() * left.length), 1)[0] as number
    const [token0, token1] = (pools[pool] as DeployedPool).tokens
    const stray = (random() * 2 - 1) * STRAY_PPM
    return {
      pool,
      offsetPpm: Math.round(driftPpm(seed, token0.symbol, block) - driftPpm(seed, token1.symbol, block) + stray),
    }
  })
}

/** How far a token's fair value is from its start value at a block. */
export function driftPpm(seed: string, symbol: string, block: number): number {
  const random = randomOf(`${seed}/token/${symbol}`)
  return WAVES.reduce((sum, wave) => sum + wave.ppm * Math.sin(2 * Math.PI * (block / wave.blocks + random())), 0)
}

/** How SandboxDesk is told of a pool: kind and address, or the id of a pool of V4. */
export function orderWord({ kind, address }: Pick<PoolInfo, 'kind' | 'address'>): bigint {
  return kind === 'v4' ? BigInt(address) : BigInt(address) | ((kind === 'v2' ? 2n : 3n) << 160n)
}

/** Square root of the price so far above the fair one, Q64.96. */
export function priceAt({ fairSqrtPriceX96 }: Tradable, offsetPpm: number): bigint {
  return (fairSqrtPriceX96 * BigInt(Math.round(Math.sqrt(1 + offsetPpm / 1e6) * 1e9))) / 1_000_000_000n
}

/**
 * Puts the orders of one block into one transaction of the market maker, which pays exactly the base fee: every other
 * transaction, paying more, comes before it in the block.
 */
export async function sendOrders(
  rpc: Rpc,
  market: Pick<Market, 'desk'> & { deployed: readonly Tradable[] },
  orders: readonly Order[],
  baseFeeWei: bigint,
  gas = TRADE_GAS,
): Promise<string> {
  const words = orders.map(({ pool }) => orderWord((market.deployed[pool] as Tradable).info))
  const targets = orders.map(({ pool, offsetPpm }) => priceAt(market.deployed[pool] as Tradable, offsetPpm))
  return rpc.request<string>('eth_sendTransaction', [
    {
      from: MARKET_MAKER,
      to: market.desk,
      data: TRADE.encodeFunctionData('trade', [words, targets]),
      gas: toQuantity(gas),
      maxFeePerGas: toQuantity(baseFeeWei),
      maxPriorityFeePerGas: '0x0',
    },
  ])
}
