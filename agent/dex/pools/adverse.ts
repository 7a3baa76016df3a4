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

/** A pool's price as a trade finds it, and what it is when it has moved. */
interface PriceBefore {
  /** @param bps 1 to 9,999 */
  movedBy(bps: number): AdverseState
}

/**
 * Reads the price of a pool on the route. What a competing trade in front of ours would leave of it is made without a
 * competitor's contract, by state overrides for `simulateExecute`: for a V2 pair the reserve of the token that we buy
 * shrinks; for a pool of concentrated liquidity the price and its tick move while the active liquidity stays, which is
 * exact up to the next initialised tick and a guess beyond.
 *
 * @param head the block whose state is read
 */
export async function priceBefore(rpc: Rpc, hop: PricedHop, head: { hash: Hex }): Promise<PriceBefore> {
  const kind = poolKind(hop.kind)
  const [contract, slot] = [kind.contractOf(refOfHop(hop)), kind.priceSlot(refOfHop(hop))]
  const packed = BigInt(await rpc.request<Hex>('eth_getStorageAt', [contract, slot, { blockHash: head.hash }]))
  return {
    movedBy: (bps) => ({
      scenario: `the first pool's price moved by ${bps} bps against us`,
      overrides: {
        [contract]: { stateDiff: { [slot]: `0x${abiWord(kind.movedPrice(packed, hop.zeroForOne, bps))}` } },
      },
    }),
  }
}

type PricedHop = Pick<Hop, 'pool' | 'kind' | 'zeroForOne' | 'v4'>

/**
 * The states in which the first pool on the route has moved against us by each of `bps`.
 * @param hop first hop of the route
 * @param bps 1 to 9,999
 */
export async function adverseStates(
  rpc: Rpc,
  hop: PricedHop,
  head: { hash: Hex },
  bps: readonly number[],
): Promise<AdverseState[]> {
  const price = await priceBefore(rpc, hop, head)
  return bps.map((by) => price.movedBy(by))
}
