import { AbiCoder, getCreate2Address, keccak256, solidityPacked, ZeroAddress } from 'ethers'
import type { PoolInfo, TokenInfo } from '../../src/protocol/chain.ts'
import { type Address, address } from '../../src/protocol/units.ts'
import type { Deployer } from './deployer.ts'
import { type PoolLayout, TICK_SPACING, type TokenLayout } from './market-layout.ts'

/** The deployed bytecode is mainnet's: these are its init code hashes too. */
const PAIR_INIT_CODE_HASH = '0x96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f'
const POOL_INIT_CODE_HASH = '0xe34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54'
const Q96 = 1n << 96n

export type DeployedToken = TokenInfo & Pick<TokenLayout, 'dollars'>
export interface Factories {
  uniswap_v2: Address
  sushi_v2: Address
  uniswap_v3: Address
}

/** A pool and the price at which all pools agree. */
export interface DeployedPool {
  info: PoolInfo
  /** Square root of token1 per token0 in raw units, Q64.96. */
  fairSqrtPriceX96: bigint
  tokens: readonly [DeployedToken, DeployedToken]
}

export function deployFactories(deployer: Deployer): Factories {
  return {
    uniswap_v2: deployer.deploy('UniswapV2Factory', [ZeroAddress]),
    sushi_v2: deployer.deploy('UniswapV2Factory', [ZeroAddress]),
    uniswap_v3: deployer.deploy('UniswapV3Factory'),
  }
}

/** Creates the pool and fills it from the desk, which must hold the tokens. */
export function deployPool(
  deployer: Deployer,
  at: { factories: Factories; desk: Address },
  layout: PoolLayout,
  pair: readonly [DeployedToken, DeployedToken],
): DeployedPool {
  const tokens: [DeployedToken, DeployedToken] =
    pair[0].address < pair[1].address ? [pair[0], pair[1]] : [pair[1], pair[0]]
  const factory = at.factories[layout.dex]
  const fairSqrtPriceX96 = sqrtPriceOf(tokens)
  const base = {
    kind: layout.kind,
    dex: layout.dex,
    token0: tokens[0].address,
    token1: tokens[1].address,
    feePips: layout.feePips,
  }
  if (layout.kind === 'v2') {
    const pool = pairAddress(factory, base.token0, base.token1)
    deployer.call(factory, 'createPair(address,address)', [base.token0, base.token1])
    const amounts = tokens.map((token) => rawOf(token, layout.depthDollars))
    deployer.call(at.desk, 'fillPair(address,uint256,uint256)', [pool, ...amounts])
    return { info: { ...base, address: pool }, fairSqrtPriceX96, tokens }
  }
  const pool = poolAddress(factory, base.token0, base.token1, layout.feePips)
  deployer.call(factory, 'createPool(address,address,uint24)', [base.token0, base.token1, layout.feePips])
  deployer.call(pool, 'initialize(uint160)', [fairSqrtPriceX96])
  const tickSpacing = TICK_SPACING[layout.feePips] ?? 1
  const liquidity = (rawOf(tokens[0], layout.depthDollars) * fairSqrtPriceX96) / Q96
  for (const position of positions(fairSqrtPriceX96, tickSpacing, liquidity)) {
    deployer.call(at.desk, 'fillPool(address,int24,int24,uint128)', [pool, ...position])
  }
  return { info: { ...base, address: pool, tickSpacing }, fairSqrtPriceX96, tokens }
}

/** Three positions around the price: ±1.5 %, ±6 % and ±49 %, so that trades cross ticks and never leave the range. */
function positions(sqrtPrice: bigint, spacing: number, liquidity: bigint): [number, number, bigint][] {
  const ratio = Number(sqrtPrice) / 2 ** 96
  const tick = Math.round((2 * Math.log(ratio)) / Math.log(1.0001))
  const round = (to: number) => Math.round(to / spacing) * spacing
  const shares: [number, bigint][] = [
    [150, 25n],
    [600, 35n],
    [4_000, 40n],
  ]
  return shares.map(([reach, percent]) => [round(tick - reach), round(tick + reach), (liquidity * percent) / 100n])
}

/** Raw units worth so many dollars. */
export function rawOf(token: DeployedToken, dollars: number): bigint {
  return (BigInt(dollars) * 10n ** BigInt(token.decimals)) / BigInt(token.dollars)
}

function sqrtPriceOf([token0, token1]: readonly [DeployedToken, DeployedToken]): bigint {
  const raw1 = BigInt(token0.dollars) * 10n ** BigInt(token1.decimals)
  const raw0 = BigInt(token1.dollars) * 10n ** BigInt(token0.decimals)
  return integerSqrt((raw1 << 192n) / raw0)
}

/** Rounded down. */
function integerSqrt(value: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(value.toString(2).length / 2))
  for (;;) {
    const next = (root + value / root) / 2n
    if (next >= root) return root
    root = next
  }
}

function pairAddress(factory: Address, token0: Address, token1: Address): Address {
  const salt = keccak256(solidityPacked(['address', 'address'], [token0, token1]))
  return address(getCreate2Address(factory, salt, PAIR_INIT_CODE_HASH))
}

function poolAddress(factory: Address, token0: Address, token1: Address, feePips: number): Address {
  const key = AbiCoder.defaultAbiCoder().encode(['address', 'address', 'uint24'], [token0, token1, feePips])
  return address(getCreate2Address(factory, keccak256(key), POOL_INIT_CODE_HASH))
}
