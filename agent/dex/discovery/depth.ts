import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { PoolState } from '../../../src/protocol/trade.ts'
import { type Address, type Hex, type Wei, wei } from '../../../src/protocol/units.ts'
import { word } from '../chain-types.ts'
import { askAll, selector } from '../pools/lens.ts'
import { loadPools } from '../pools/load.ts'
import type { Rpc } from '../rpc.ts'
import { curveOf } from '../search/curves.ts'
import { type NativeRate, nativeRate } from '../search/native-rate.ts'

const BALANCE_OF = selector('balanceOf(address)')

/**
 * What each pool holds of its base token, in native units: the larger where both are bases; undefined for a pool of none,
 * or whose base has no price. Of a V4 pool, whose tokens lie with those of all others, the virtual reserve at its price.
 *
 * @param bases the wrapped native token first
 */
export async function depthsOf(
  rpc: Rpc,
  pools: readonly PoolInfo[],
  bases: readonly Address[],
  blockHash: Hex,
): Promise<(Wei | undefined)[]> {
  const [weth] = bases
  if (weth === undefined) return pools.map(() => undefined)
  const v4 = pools.filter((pool) => pool.kind === 'v4')
  const priced = pools.filter((pool) => pool.kind !== 'v4' && isBetween(pool, weth, bases))
  const states = await loadPools(rpc, [...priced, ...v4], blockHash)
  const rates = new Map(bases.map((base) => [base, nativeRate(base, weth, states)]))
  const byId = new Map<Hex, PoolState>(states.map((state) => [state.address, state]))
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

const isBetween = ({ token0, token1 }: PoolInfo, weth: Address, bases: readonly Address[]): boolean =>
  (token0 === weth && bases.includes(token1)) || (token1 === weth && bases.includes(token0))

function virtualReserve(pool: PoolState | undefined, token: Address): bigint {
  const piece = pool && curveOf(pool, pool.token0 === token).piece(0)
  return piece ? BigInt(Math.floor(piece.reserveIn)) : 0n
}

const inNative = (amount: bigint, rate: NativeRate | undefined): Wei | undefined =>
  rate && wei((amount * rate.numerator) / rate.denominator)
