import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { PoolState } from '../../../src/protocol/trade.ts'
import { type Address, type Hex, type Wei, wei } from '../../../src/protocol/units.ts'
import { word } from '../chain-types.ts'
import { askAll, selector } from '../pools/lens.ts'
import { loadPools } from '../pools/load.ts'
import { v4AtPrice } from '../pools/v4.ts'
import type { Rpc } from '../rpc.ts'
import { curveOf } from '../search/curves.ts'
import { type NativeRate, nativeRate } from '../search/native-rate.ts'

const BALANCE_OF = selector('balanceOf(address)')

/**
 * What each pool holds of its base token, in native units: the larger where both are bases; undefined for a pool of none,
 * or whose base has no price. Of a V4 pool, whose tokens lie with those of all others, the virtual reserve at its price.
 *
 * @param bases the wrapped native token first
 * @param pricedBy pools among which there are some between the native token and each other base
 */
export async function depthsOf(
  rpc: Rpc,
  pools: readonly PoolInfo[],
  { bases, pricedBy }: { bases: readonly Address[]; pricedBy: readonly PoolInfo[] },
  blockHash: Hex,
): Promise<(Wei | undefined)[]> {
  const [weth] = bases
  if (weth === undefined) return pools.map(() => undefined)
  const asked = bases.filter((base) => pools.some(({ token0, token1 }) => token0 === base || token1 === base))
  const [states, managed] = await Promise.all([
    // What gives a token its price is read with its ticks: a narrow range may seem to hold anything.
    loadPools(
      rpc,
      pricedBy.filter((pool) => isBetween(pool, weth, asked)),
      blockHash,
    ),
    v4AtPrice(
      { rpc, blockHash },
      pools.filter((pool) => pool.kind === 'v4'),
    ),
  ])
  const rates = new Map(asked.map((base) => [base, nativeRate(base, weth, states)]))
  const byId = new Map<Hex, PoolState>(managed.map((state) => [state.address, state]))
  const sides = pools.flatMap((pool, at) =>
    [pool.token0, pool.token1].flatMap((token) => (bases.includes(token) ? [{ pool, at, token }] : [])),
  )
  const held = sides.filter(({ pool }) => pool.kind !== 'v4')
  const balances = await askAll(
    { rpc, blockHash },
    held.map(({ pool, token }) => ({ target: token, selector: BALANCE_OF, argument: BigInt(pool.address) })),
    1,
  )
  const amounts = new Map(held.map((side, index) => [side, balances[index] ? word(balances[index], 0) : 0n]))
  const depths: (Wei | undefined)[] = pools.map(() => undefined)
  for (const side of sides) {
    const amount = amounts.get(side) ?? virtualReserve(byId.get(side.pool.address), side.token)
    const value = inNative(amount, rates.get(side.token))
    if (value !== undefined && value > (depths[side.at] ?? -1n)) depths[side.at] = value
  }
  return depths
}

/** Which pools hold any of their first token; of V4, have liquidity at their price. */
export async function holding(rpc: Rpc, pools: readonly PoolInfo[], blockHash: Hex): Promise<boolean[]> {
  const managed = pools.filter((pool) => pool.kind === 'v4')
  const others = pools.filter((pool) => pool.kind !== 'v4')
  const [states, balances] = await Promise.all([
    v4AtPrice({ rpc, blockHash }, managed),
    askAll(
      { rpc, blockHash },
      others.map(({ address, token0 }) => ({ target: token0, selector: BALANCE_OF, argument: BigInt(address) })),
      1,
    ),
  ])
  const held = new Map<PoolInfo, bigint>([
    ...managed.map((pool, at) => [pool, states[at]?.liquidity ?? 0n] as const),
    ...others.map((pool, at) => [pool, balances[at] ? word(balances[at], 0) : 0n] as const),
  ])
  return pools.map((pool) => (held.get(pool) ?? 0n) > 0n)
}

const isBetween = ({ token0, token1 }: PoolInfo, weth: Address, bases: readonly Address[]): boolean =>
  (token0 === weth && bases.includes(token1)) || (token1 === weth && bases.includes(token0))

function virtualReserve(pool: PoolState | undefined, token: Address): bigint {
  const piece = pool && curveOf(pool, pool.token0 === token).piece(0)
  return piece ? BigInt(Math.floor(piece.reserveIn)) : 0n
}

const inNative = (amount: bigint, rate: NativeRate | undefined): Wei | undefined =>
  rate && wei((amount * rate.numerator) / rate.denominator)
