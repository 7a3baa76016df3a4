import type { Hop } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { abiWord } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'
import type { StateOverrides } from '../trade/simulate.ts'
import { poolKind, refOfHop } from './table.ts'

/** A state in which the market moved against a trade just before it. */
export interface AdverseState {
  scenario: string
  overrides: StateOverrides
}

/**
 * What a competing trade in front of ours would leave of the first pool on the route: its price moved against us by each
 * of `bps`. Made without a competitor's contract, by state overrides for `simulateExecute`:
 * for a V2 pair the reserve of the token that we buy shrinks by `bps`; for a pool of concentrated liquidity the price and
 * its tick move by `bps` while the active liquidity stays, which is exact up to the next initialised tick and a guess
 * beyond.
 *
 * @param hop first hop of the route
 * @param head the block whose state is read
 * @param bps 1 to 9,999
 */
export async function adverseStates(
  rpc: Rpc,
  hop: Pick<Hop, 'pool' | 'kind' | 'zeroForOne' | 'v4'>,
  head: { hash: Hex },
  bps: readonly number[],
): Promise<AdverseState[]> {
  const kind = poolKind(hop.kind)
  const [contract, slot] = [kind.contractOf(refOfHop(hop)), kind.priceSlot(refOfHop(hop))]
  const packed = BigInt(await rpc.request<Hex>('eth_getStorageAt', [contract, slot, { blockHash: head.hash }]))
  return bps.map((by) => ({
    scenario: `the first pool's price moved by ${by} bps against us`,
    overrides: {
      [contract]: { stateDiff: { [slot]: `0x${abiWord(kind.movedPrice(packed, hop.zeroForOne, by))}` } },
    },
  }))
}
