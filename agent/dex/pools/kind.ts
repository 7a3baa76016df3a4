import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { PoolId, PoolKind, PoolState } from '../../../src/protocol/trade.ts'
import type { Address, GasUnits, Hex, Raw, SqrtPriceX96 } from '../../../src/protocol/units.ts'
import type { RpcLog } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'
import type { Curve } from '../search/curve.ts'
import type { TickMap } from './v3-math/ticks.ts'

export interface ExactIn {
  /** Raw units of the token that goes in, above 0. */
  amountIn: Raw
  /** True when token0 goes in. */
  zeroForOne: boolean
  /** Only kinds of concentrated liquidity: the swap ends at this price, with what it did so far. */
  sqrtPriceLimitX96?: SqrtPriceX96
}

export interface ExactOut {
  /** Raw units of the token that comes out, above 0. */
  amountOut: Raw
  zeroForOne: boolean
  sqrtPriceLimitX96?: SqrtPriceX96
}

export interface Quote<P extends PoolState = PoolState> {
  amountIn: Raw
  amountOut: Raw
  /** Part of amountIn that the pool keeps. */
  feeAmount: Raw
  /** What was asked for and not swapped, because the price limit was reached; 0 without a limit. */
  remaining: Raw
  /** The pool as it is after this swap. */
  after: P
}

/** A pool with what its state does not say but its next log needs: the liquidity that references each tick. */
export interface Tracked<P extends PoolState = PoolState> {
  pool: P
  /** Only concentrated kinds: initialised tick to its liquidityGross, above 0. */
  gross: TickMap
}

/** Enough to find a pool on the chain: a PoolInfo and a PoolState are one, and `refOfHop` makes one. */
export interface PoolRef {
  kind: PoolKind
  address: PoolId
  /** Only v4. */
  manager?: Address | undefined
}

/** One block of a node, at which everything is read. */
export interface ReadAt {
  rpc: Rpc
  blockHash: Hex
}

/** Everything that is particular to one kind of pool. A kind is one file beside this one, and one line of the table. */
export interface PoolKindModule<P extends PoolState = PoolState> {
  readonly kind: P['kind']

  /**
   * What a swap of exactly `amountIn` pays, to the wei, at the state given. With a price limit a partial fill is a result.
   * @throws FleetError `pool_empty` when the pool cannot take all of it, `malformed` for what it would revert on
   */
  quoteExactIn(pool: P, swap: ExactIn): Quote<P>
  /**
   * What a swap that pays exactly `amountOut` takes, to the wei, as the pool or its library rounds it.
   * @throws FleetError `pool_empty` when the pool cannot pay that much
   */
  quoteExactOut(pool: P, swap: ExactOut): Quote<P>
  /** The least input for which the pool lets `amountOut` go: what exact out takes, or less by what rounding costs there. */
  leastAmountIn(pool: P, swap: Pick<ExactOut, 'amountOut' | 'zeroForOne'>): Raw
  /** The output as a function of the input, in doubles: for the search alone. */
  curve(pool: P, zeroForOne: boolean): Curve

  /** The contract that holds the pool: it is called, its code is checked, it writes the logs. */
  contractOf(pool: PoolRef): Address
  /** Key of that contract's code in ChainInfo.codeHashes. */
  readonly codeKey: string
  /** What a swap through it adds to a trade of ArbExecutor, for ranking. */
  readonly hopGas: GasUnits

  /**
   * States at one block, in the order of `pools`.
   * @param loaded told how many more are there
   * @throws FleetError `config_invalid` for what is no such pool
   */
  load(at: ReadAt, pools: readonly PoolInfo[], loaded: (count: number) => void): Promise<Tracked<P>[]>
  /** First topics of all logs that change such a pool's state; no other kind has the same. */
  readonly topics: readonly Hex[]
  /** Whose log it is. @param log its first topic is one of `topics` */
  poolIdOf(log: RpcLog): PoolId
  /** The pool after a log of its own; the same object when that changes nothing. */
  applyLog(tracked: Tracked<P>, log: RpcLog): Tracked<P>

  /** The word of the contract's storage that holds the pool's price. */
  priceSlot(pool: PoolRef): Hex
  /** That word with the price moved by `bps` (1…9,999) against a swap in this direction. */
  movedPrice(word: bigint, zeroForOne: boolean, bps: number): bigint
}
