import { unreachable } from '../../src/protocol/errors.ts'
import type { PoolKind } from '../../src/protocol/trade.ts'
import { type Address, type Hex, sqrtPriceX96 } from '../../src/protocol/units.ts'
import { abiWord } from './chain-types.ts'
import type { Rpc } from './rpc.ts'
import type { StateOverrides } from './simulate.ts'
import { MAX_SQRT_PRICE, MIN_SQRT_PRICE, tickAtSqrtPrice } from './v3/tick-math.ts'

/** A state in which the market moved against a trade just before it. */
export interface AdverseState {
  scenario: string
  overrides: StateOverrides
}

/** A V2 pair packs reserve0 (112 bits), reserve1 (112 bits) and the time of its last swap into slot 8. */
const V2_RESERVES_SLOT: Hex = `0x${abiWord(8)}`
/** A V3 pool packs sqrtPriceX96 (160 bits), tick (24 bits) and more into slot 0. */
const V3_SLOT0: Hex = `0x${abiWord(0)}`
const BITS_112 = (1n << 112n) - 1n
const BITS_160 = (1n << 160n) - 1n
const BITS_24 = (1n << 24n) - 1n

/**
 * What a competing trade in front of ours would leave of the first pool on the route: its price moved against us by each
 * of `bps`. Made without a competitor's contract, by state overrides for `simulateExecute`:
 * for a V2 pair the reserve of the token that we buy shrinks by `bps` (its balances stay: what it holds above a reserve
 * only makes its own check easier, and our contract computes from reserves); for a V3 pool the price and its tick move by
 * `bps` while the active liquidity stays, which is exact up to the next initialised tick and a guess beyond.
 *
 * @param hop first hop of the route
 * @param head the block whose state is read
 * @param bps 1 to 9,999
 */
export async function adverseStates(
  rpc: Rpc,
  hop: { pool: Address; kind: PoolKind; zeroForOne: boolean },
  head: { hash: Hex },
  bps: readonly number[],
): Promise<AdverseState[]> {
  const slot = slotOf(hop.kind)
  const packed = BigInt(await rpc.request<Hex>('eth_getStorageAt', [hop.pool, slot, { blockHash: head.hash }]))
  return bps.map((by) => ({
    scenario: `the first pool's price moved by ${by} bps against us`,
    overrides: { [hop.pool]: { stateDiff: { [slot]: `0x${abiWord(moved(packed, hop, by))}` } } },
  }))
}

function slotOf(kind: PoolKind): Hex {
  switch (kind) {
    case 'v2':
      return V2_RESERVES_SLOT
    case 'v3':
      return V3_SLOT0
    default:
      return unreachable(kind)
  }
}

function moved(packed: bigint, hop: { kind: PoolKind; zeroForOne: boolean }, bps: number): bigint {
  switch (hop.kind) {
    case 'v2':
      return movedPair(packed, hop.zeroForOne, bps)
    case 'v3':
      return movedPool(packed, hop.zeroForOne, bps)
    default:
      return unreachable(hop.kind)
  }
}

function movedPair(packed: bigint, zeroForOne: boolean, bps: number): bigint {
  const shift = zeroForOne ? 112n : 0n
  const bought = (packed >> shift) & BITS_112
  const left = (bought * BigInt(10_000 - bps)) / 10_000n
  return packed - ((bought - left) << shift)
}

function movedPool(packed: bigint, zeroForOne: boolean, bps: number): bigint {
  const price = packed & BITS_160
  const root = BigInt(Math.round(Math.sqrt(1 - bps / 10_000) * 1e12))
  const wanted = zeroForOne ? (price * root) / 10n ** 12n : (price * 10n ** 12n) / root
  const low = MIN_SQRT_PRICE + 1n
  const high = MAX_SQRT_PRICE - 1n
  const next = wanted < low ? low : wanted > high ? high : wanted
  const tick = BigInt(tickAtSqrtPrice(sqrtPriceX96(next)))
  const rest = packed & ~(BITS_160 | (BITS_24 << 160n))
  return rest | next | ((tick & BITS_24) << 160n)
}
