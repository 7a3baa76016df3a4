import { unreachable } from '../../src/protocol/errors.ts'
import type { PoolKind } from '../../src/protocol/trade.ts'
import { type GasUnits, gasUnits } from '../../src/protocol/units.ts'

/** Transaction, flash loan (Aave takes 112,000 to 133,000 by itself) and our contract, before any swap. */
const LOAN_GAS = 210_000n

function gasOfHop(kind: PoolKind): bigint {
  switch (kind) {
    case 'v2':
      return 55_000n
    case 'v3':
      return 75_000n
    default:
      return unreachable(kind)
  }
}

/**
 * What a trade is expected to use, from 257 trades of ArbExecutor on deployed contracts: two pairs 314,000, pool and pair
 * 322,000 to 330,000, three hops 369,000 to 408,000, and up to 25 % more where a storage slot is written for the first
 * time. For ranking and the floor: limits of a transaction come from elsewhere.
 */
export function gasOfRoute(hops: readonly { kind: PoolKind }[]): GasUnits {
  return gasUnits(hops.reduce((sum, hop) => sum + gasOfHop(hop.kind), LOAN_GAS))
}
