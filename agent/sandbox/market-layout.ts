import type { PoolKind } from '../../src/protocol/trade.ts'

/** The practice market as it stands before the first trade. Prices are in whole dollars, depths in whole dollars a side. */

export interface TokenLayout {
  symbol: string
  name: string
  decimals: number
  dollars: number
}

export interface PoolLayout {
  kind: PoolKind
  dex: 'uniswap_v2' | 'sushi_v2' | 'uniswap_v3' | 'uniswap_v4'
  pair: readonly [string, string]
  feePips: number
  /** Value of one side, near the price. */
  depthDollars: number
}

export const WETH_LAYOUT: TokenLayout = { symbol: 'WETH', name: 'Wrapped Ether', decimals: 18, dollars: 3_000 }

/** The mintable ones. */
export const TOKEN_LAYOUT: readonly TokenLayout[] = [
  { symbol: 'USDC', name: 'USD Coin', decimals: 6, dollars: 1 },
  { symbol: 'DAI', name: 'Dai Stablecoin', decimals: 18, dollars: 1 },
  { symbol: 'WBTC', name: 'Wrapped Bitcoin', decimals: 8, dollars: 60_000 },
  { symbol: 'LINK', name: 'Chainlink', decimals: 18, dollars: 15 },
  { symbol: 'UNI', name: 'Uniswap', decimals: 18, dollars: 8 },
]

const v2 = (dex: 'uniswap_v2' | 'sushi_v2', a: string, b: string, depthDollars: number): PoolLayout => ({
  kind: 'v2',
  dex,
  pair: [a, b],
  feePips: 3_000,
  depthDollars,
})
const concentrated =
  (kind: 'v3' | 'v4', dex: 'uniswap_v3' | 'uniswap_v4') =>
  (a: string, b: string, feePips: number, depthDollars: number): PoolLayout => ({
    kind,
    dex,
    pair: [a, b],
    feePips,
    depthDollars,
  })
const v3 = concentrated('v3', 'uniswap_v3')
const v4 = concentrated('v4', 'uniswap_v4')

export const POOL_LAYOUT: readonly PoolLayout[] = [
  v2('uniswap_v2', 'WETH', 'USDC', 6_000_000),
  v2('uniswap_v2', 'WETH', 'DAI', 4_000_000),
  v2('uniswap_v2', 'WETH', 'WBTC', 5_000_000),
  v2('uniswap_v2', 'WETH', 'LINK', 2_000_000),
  v2('uniswap_v2', 'WETH', 'UNI', 1_500_000),
  v2('uniswap_v2', 'USDC', 'DAI', 3_000_000),
  v2('uniswap_v2', 'USDC', 'WBTC', 2_000_000),
  v2('sushi_v2', 'WETH', 'USDC', 4_000_000),
  v2('sushi_v2', 'WETH', 'DAI', 3_000_000),
  v2('sushi_v2', 'WETH', 'WBTC', 3_000_000),
  v2('sushi_v2', 'WETH', 'LINK', 1_200_000),
  v2('sushi_v2', 'WETH', 'UNI', 900_000),
  v3('WETH', 'USDC', 500, 8_000_000),
  v3('WETH', 'USDC', 3_000, 5_000_000),
  v3('WETH', 'DAI', 3_000, 3_000_000),
  v3('WETH', 'WBTC', 500, 5_000_000),
  v3('WETH', 'LINK', 3_000, 1_500_000),
  v3('WETH', 'UNI', 10_000, 1_000_000),
  v3('USDC', 'DAI', 500, 4_000_000),
  v3('USDC', 'WBTC', 3_000, 2_000_000),
  v4('WETH', 'USDC', 500, 6_000_000),
  v4('WETH', 'DAI', 3_000, 2_500_000),
  v4('WETH', 'WBTC', 500, 3_000_000),
  v4('USDC', 'DAI', 100, 5_000_000),
]

/** What cycles begin and end with, the most wanted first. */
export const BASES: readonly string[] = ['WETH', 'USDC']
/** What each of the two lenders has of every token. Aave takes a premium, Balancer none. */
export const LOAN_DOLLARS = { aave: 60_000_000, balancer: 20_000_000 } as const
export const PREMIUM_BPS = 5
/** What ArbExecutor may borrow of a base token in one trade. */
export const INPUT_CAP_DOLLARS = 30_000_000
export const TICK_SPACING: Readonly<Record<number, number>> = { 100: 1, 500: 10, 3000: 60, 10000: 200 }
