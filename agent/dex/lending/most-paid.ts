import type { PoolKind } from '../../../src/protocol/trade.ts'
import { type Raw, raw } from '../../../src/protocol/units.ts'

/**
 * The most that a pool can be paid by one swap, raw units. A pair keeps its reserves in 112 bits; a V3 pool's amounts are
 * below 2^127, and those of a V4 manager fit into an int128.
 */
export const MOST_PAID: Readonly<Record<PoolKind, Raw>> = {
  v2: raw(2n ** 112n - 1n),
  v3: raw(2n ** 127n - 1n),
  v4: raw(2n ** 127n - 1n),
}
