import type { Hop, PoolKind, PoolState } from '../../../src/protocol/trade.ts'
import type { Address } from '../../../src/protocol/units.ts'
import type { PoolKindModule, PoolRef } from './kind.ts'
import { v2 } from './v2.ts'
import { v3 } from './v3.ts'
import { v4 } from './v4.ts'

const KINDS: { readonly [K in PoolKind]: PoolKindModule<Extract<PoolState, { kind: K }>> } = {
  v2,
  v3,
  v4,
}

/** All kinds of pool that arbdeck trades through. */
export const poolKinds: readonly PoolKindModule[] = Object.values(KINDS)

/** What is particular to a kind. Give it pools of that kind only. */
export const poolKind = (kind: PoolKind): PoolKindModule => KINDS[kind]

/** The contract to call, to check the code of, and that writes the logs; of a V4 pool its manager. */
export const contractOf = (pool: PoolRef): Address => poolKind(pool.kind).contractOf(pool)

export const refOfHop = ({ kind, pool, v4: key }: Pick<Hop, 'kind' | 'pool' | 'v4'>): PoolRef => ({
  kind,
  address: pool,
  manager: key?.manager,
})
