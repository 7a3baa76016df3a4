import type { Hop, Lender } from '../../../src/protocol/trade.ts'
import { type GasUnits, gasUnits } from '../../../src/protocol/units.ts'
import { poolKind } from '../pools/table.ts'

/** The same where the route pays for itself. */
const NO_LOAN = 79_000n
/** Transaction, contract and loan. */
const LOAN: Readonly<Record<Lender['kind'], bigint>> = {
  own: 79_000n,
  aave_v3: 204_000n,
  balancer_v2: 115_000n,
  uniswap_v3: 124_000n,
  uniswap_v2: 134_000n,
  uniswap_v4: NO_LOAN,
}
/** A pool of V4 behind another of the same manager: nothing is moved between the two. */
const SAME_MANAGER = 30_000n

/**
 * What a trade of ArbExecutor is expected to burn, within a tenth where every slot that it writes has been written before
 * (test/unit/contracts/gas.json holds what it was measured to burn), L1 fees apart. For ranking and the floor: limits of
 * a transaction are `executeGasLimit`.
 */
export function gasOfTrade(
  hops: readonly Pick<Hop, 'pool' | 'kind' | 'v4'>[],
  lender: Pick<Lender, 'kind' | 'address'>,
): GasUnits {
  const loan = lender.address === hops[0]?.pool ? NO_LOAN : LOAN[lender.kind]
  const ofHop = (hop: Pick<Hop, 'kind' | 'v4'>, at: number): bigint =>
    hop.v4 !== undefined && hop.v4.manager === hops[at - 1]?.v4?.manager ? SAME_MANAGER : poolKind(hop.kind).hopGas
  return gasUnits(hops.reduce<bigint>((sum, hop, at) => sum + ofHop(hop, at), loan))
}
