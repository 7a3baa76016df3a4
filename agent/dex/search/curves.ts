import type { PoolState } from '../../../src/protocol/trade.ts'
import { poolKind } from '../pools/table.ts'
import type { Curve } from './curve.ts'

type Side = 'down' | 'up'
const curves = new WeakMap<PoolState, Partial<Record<Side, Curve>>>()

/** Made once for a pool's state and direction: states are never changed in place. */
export function curveOf(pool: PoolState, zeroForOne: boolean): Curve {
  const side: Side = zeroForOne ? 'down' : 'up'
  const made = curves.get(pool)
  const known = made?.[side]
  if (known) return known
  const curve = poolKind(pool.kind).curve(pool, zeroForOne)
  if (made) made[side] = curve
  else curves.set(pool, { [side]: curve })
  return curve
}
