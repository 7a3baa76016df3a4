import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { PoolId, PoolState } from '../../../src/protocol/trade.ts'
import type { Address } from '../../../src/protocol/units.ts'
import { curveOf } from './curves.ts'
import { bestInput } from './walk.ts'

/** Native units for a token's raw units: floor(raw · numerator / denominator). */
export interface NativeRate {
  numerator: bigint
  denominator: bigint
}

const ONE: NativeRate = { numerator: 1n, denominator: 1n }
/** Bits of a double's significand. */
const PRECISION = 53

/** How far the price may fall while a pool's depth is counted. */
const DEPTH_TO = 0.95

/**
 * What a token is worth: the price, without fee and without price impact, of the deepest pool between it and the wrapped
 * native token. The deepest is the one that pays most native tokens before its price has fallen by a twentieth: what
 * somebody has really put there. Virtual reserves say nothing, a narrow range has any at little cost.
 *
 * @returns undefined when no such pool has liquidity
 */
export function nativeRate(token: Address, weth: Address, pools: Iterable<PoolState>): NativeRate | undefined {
  if (token === weth) return ONE
  let [deepest, price] = [0, 0]
  for (const pool of pools) {
    if (!isBetween(pool, token, weth)) continue
    const curve = curveOf(pool, pool.token0 === token)
    const piece = curve.piece(0)
    if (!piece) continue
    const here = piece.reserveOut / piece.reserveIn
    const depth = bestInput([curve], DEPTH_TO * curve.gamma * here, Number.POSITIVE_INFINITY)?.output ?? 0
    if (depth > deepest) [deepest, price] = [depth, here]
  }
  return price > 0 && Number.isFinite(price) ? fractionOf(price) : undefined
}

const isBetween = ({ token0, token1 }: Pick<PoolInfo, 'token0' | 'token1'>, token: Address, weth: Address): boolean =>
  (token0 === token && token1 === weth) || (token0 === weth && token1 === token)

/** `nativeRate` at the states of now, without a look at all pools each time. */
export class NativeRates {
  readonly #pools: readonly PoolInfo[]
  readonly #states: ReadonlyMap<PoolId, PoolState>
  readonly #between = new Map<string, readonly PoolId[]>()

  /** @param states may change */
  constructor(pools: readonly PoolInfo[], states: ReadonlyMap<PoolId, PoolState>) {
    this.#pools = pools
    this.#states = states
  }

  of(token: Address, weth: Address): NativeRate | undefined {
    const states = this.#poolsBetween(token, weth).map((pool) => this.#states.get(pool))
    return nativeRate(
      token,
      weth,
      states.filter((state) => state !== undefined),
    )
  }

  #poolsBetween(token: Address, weth: Address): readonly PoolId[] {
    const key = `${token}/${weth}`
    const known = this.#between.get(key)
    if (known) return known
    const between = this.#pools.filter((pool) => isBetween(pool, token, weth)).map(({ address }) => address)
    this.#between.set(key, between)
    return between
  }
}

/** A double, not rounded. @param value above 0 */
function fractionOf(value: number): NativeRate {
  const exponent = PRECISION - Math.ceil(Math.log2(value)) - 1
  const numerator = BigInt(Math.floor(value * 2 ** exponent))
  return exponent >= 0
    ? { numerator, denominator: 1n << BigInt(exponent) }
    : { numerator: numerator << BigInt(-exponent), denominator: 1n }
}

export const inNativeUnits = (amount: bigint, { numerator, denominator }: NativeRate): bigint =>
  (amount * numerator) / denominator

/** The same rate as a double. */
export const nativeNumber = ({ numerator, denominator }: NativeRate): number => Number(numerator) / Number(denominator)
