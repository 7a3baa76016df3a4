import type { PoolInfo, TokenInfo } from '../../src/protocol/chain.ts'
import type { Address } from '../../src/protocol/units.ts'
import type { Deployer } from './deployer.ts'
import { type PoolLayout, TICK_SPACING, type TokenLayout } from './market-layout.ts'
import { pairAddress, poolAddress, poolIdV4 } from './pool-names.ts'
import { positionsAround, rawOf, sqrtPriceOf } from './pool-prices.ts'

export type DeployedToken = TokenInfo & Pick<TokenLayout, 'dollars'>
/** The contract that makes the pools of each venue: a factory, or of V4 the manager that holds them too. */
export type Venues = Readonly<Record<PoolLayout['dex'], Address>>

/** A pool and the price at which all pools agree. */
export interface DeployedPool {
  /** Without the block: nothing is mined yet. */
  info: PoolInfo
  /** Square root of token1 per token0 in raw units, Q64.96. */
  fairSqrtPriceX96: bigint
  tokens: readonly [DeployedToken, DeployedToken]
}

/** What a pool is made of. */
interface Making {
  venue: Address
  /** Pays for the liquidity. */
  desk: Address
  layout: PoolLayout
  tokens: readonly [DeployedToken, DeployedToken]
  fairSqrtPriceX96: bigint
  tickSpacing: number
}

const NO_HOOKS: Address = '0x0000000000000000000000000000000000000000'
const KEY = '(address,address,uint24,int24,address)'

export function deployVenues(deployer: Deployer, owner: Address): Venues {
  return {
    uniswap_v2: deployer.deploy('UniswapV2Factory', [NO_HOOKS]),
    sushi_v2: deployer.deploy('UniswapV2Factory', [NO_HOOKS]),
    uniswap_v3: deployer.deploy('UniswapV3Factory'),
    uniswap_v4: deployer.deploy('PoolManager', [owner]),
  }
}

/** Creates the pool and fills it from the desk, which must hold the tokens. */
export function deployPool(
  deployer: Deployer,
  at: { venues: Venues; desk: Address },
  layout: PoolLayout,
  pair: readonly [DeployedToken, DeployedToken],
): DeployedPool {
  const tokens: [DeployedToken, DeployedToken] =
    pair[0].address < pair[1].address ? [pair[0], pair[1]] : [pair[1], pair[0]]
  const fairSqrtPriceX96 = sqrtPriceOf(tokens)
  const tickSpacing = TICK_SPACING[layout.feePips] ?? 1
  const venue = at.venues[layout.dex]
  const making: Making = { venue, desk: at.desk, layout, tokens, fairSqrtPriceX96, tickSpacing }
  const { kind, dex, feePips } = layout
  const info = {
    kind,
    dex,
    token0: tokens[0].address,
    token1: tokens[1].address,
    feePips,
    ...MAKE[kind](deployer, making),
  }
  return { info, fairSqrtPriceX96, tokens }
}

type Made = Pick<PoolInfo, 'address' | 'tickSpacing' | 'manager'>
const MAKE: Record<PoolLayout['kind'], (deployer: Deployer, making: Making) => Made> = {
  v2: makePair,
  v3: makePoolV3,
  v4: makePoolV4,
}

function makePair(deployer: Deployer, { venue, desk, layout, tokens }: Making): Made {
  const [token0, token1] = [tokens[0].address, tokens[1].address]
  const pair = pairAddress(venue, token0, token1)
  deployer.call(venue, 'createPair(address,address)', [token0, token1])
  const amounts = tokens.map((token) => rawOf(token, layout.depthDollars))
  deployer.call(desk, 'fillPair(address,uint256,uint256)', [pair, ...amounts])
  return { address: pair }
}

function makePoolV3(deployer: Deployer, making: Making): Made {
  const { venue, desk, layout, tokens, fairSqrtPriceX96, tickSpacing } = making
  const [token0, token1] = [tokens[0].address, tokens[1].address]
  const pool = poolAddress(venue, token0, token1, layout.feePips)
  deployer.call(venue, 'createPool(address,address,uint24)', [token0, token1, layout.feePips])
  deployer.call(pool, 'initialize(uint160)', [fairSqrtPriceX96])
  for (const { lower, upper, liquidity } of positionsOf(making)) {
    deployer.call(desk, 'fillPool(address,int24,int24,uint128)', [pool, lower, upper, liquidity])
  }
  return { address: pool, tickSpacing }
}

function makePoolV4(deployer: Deployer, making: Making): Made {
  const { venue: manager, desk, layout, tokens, fairSqrtPriceX96, tickSpacing } = making
  const key = [tokens[0].address, tokens[1].address, layout.feePips, tickSpacing, NO_HOOKS] as const
  deployer.call(manager, `initialize(${KEY},uint160)`, [key, fairSqrtPriceX96])
  const positions = positionsOf(making).map(({ lower, upper, liquidity }) => [lower, upper, liquidity, NO_SALT])
  deployer.call(desk, `fillMarket(address,${KEY},(int24,int24,int256,bytes32)[])`, [manager, key, positions])
  return { address: poolIdV4(...key), tickSpacing, manager }
}

const NO_SALT = `0x${'0'.repeat(64)}`

const positionsOf = ({ fairSqrtPriceX96, tickSpacing, tokens, layout }: Making) =>
  positionsAround(fairSqrtPriceX96, tickSpacing, rawOf(tokens[0], layout.depthDollars))
