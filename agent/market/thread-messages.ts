import type { ChainInfo, TokenInfo } from '../../src/protocol/chain.ts'
import type { ErrorDocument } from '../../src/protocol/errors.ts'
import type { FleetSpec } from '../../src/protocol/fleet.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { Opportunity } from '../../src/protocol/trade.ts'
import type { Hex } from '../../src/protocol/units.ts'
import type { PoolSource } from '../dex/discovery/discovery.ts'
import type { Proved } from '../dex/discovery/origin.ts'

export type SearchSpec = Pick<FleetSpec, 'limits' | 'minProfitWei' | 'planBlocks'> & Partial<Pick<FleetSpec, 'risk'>>

/** What the search thread is started with. */
export interface ThreadStart {
  chain: ChainInfo
  /** A secret. */
  url: string
  /** How long one call of the node may take. */
  rpcTimeoutMs?: number
  spec: SearchSpec
  /** Where new pools come from; absent: the pools of the chain's description are all. */
  source?: PoolSource
}

/** One block, from the head's arrival in the thread: milliseconds each. */
export interface BlockTimings {
  /** When the head came: milliseconds since 1970, with a fraction. */
  seenAt: number
  /** Until the first search of this block had ended. */
  searchedMs: number
  /** Until the block's logs were proven, and what they said was searched. */
  provenMs: number
  /** The proof was what the subscription had brought. */
  held: boolean
  changed: number
}

/** What the search thread says; plain values, for they are copied between threads. */
export type ThreadMessage =
  /** `working`: it has a state and follows the chain. The note says why not, or how far the first load is. */
  | { kind: 'health'; state: 'starting' | 'working' | 'faulty'; note?: string }
  | { kind: 'block'; head: { number: number; hash: Hex }; pools: number; found: Opportunity[]; timings: BlockTimings }
  | { kind: 'log'; level: LogLevel; message: string }
  /** Pools that appeared while it runs, the code of each, and their tokens. */
  | { kind: 'pools'; pools: Proved[]; tokens: TokenInfo[] }
  /** Every second: how long the node has owed it an answer. */
  | { kind: 'pulse'; waitingMs: number }
  /** It cannot go on, and ends. */
  | { kind: 'fault'; error: ErrorDocument }
