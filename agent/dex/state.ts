import type { PoolInfo } from '../../src/protocol/chain.ts'
import { FleetError } from '../../src/protocol/errors.ts'
import type { PoolState } from '../../src/protocol/trade.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'
import type { RpcBlock, RpcLog } from './chain-types.ts'
import { loadTracked } from './load.ts'
import { applyLog, STATE_TOPICS, type Tracked } from './logs.ts'
import type { Rpc } from './rpc.ts'

export type TrackedPools = ReadonlyMap<Address, Tracked>

/** The pools after logs of one block, in the order of the logs; pools that no log names keep their object. */
export function applyLogs(pools: TrackedPools, logs: readonly RpcLog[]): Map<Address, Tracked> {
  const next = new Map(pools)
  for (const log of logs) {
    const tracked = next.get(log.address)
    if (tracked) next.set(log.address, applyLog(tracked, log))
  }
  return next
}

/** Pools that changed with a block: `all` after a reload. */
export type Changed = ReadonlySet<Address> | 'all'

/**
 * The state of a set of pools at one block, moved on head by head. A head that does not stand on the block it is at
 * (a reorg, a rollback, a missed block) makes it read everything anew at that head.
 */
export class MarketState {
  #block: number
  #hash: Hex
  #pools: TrackedPools
  readonly #infos: readonly PoolInfo[]
  readonly #rpc: Rpc

  private constructor(rpc: Rpc, infos: readonly PoolInfo[], head: RpcBlock, pools: TrackedPools) {
    this.#rpc = rpc
    this.#infos = infos
    this.#block = Number(head.number)
    this.#hash = head.hash
    this.#pools = pools
  }

  /** @param head the block to read at; it must still be on the chain */
  static async load(rpc: Rpc, infos: readonly PoolInfo[], head: RpcBlock): Promise<MarketState> {
    return new MarketState(rpc, infos, head, await read(rpc, infos, head.hash))
  }

  get block(): number {
    return this.#block
  }

  get hash(): Hex {
    return this.#hash
  }

  /** A copy of the list, not of the states: those are never changed in place. */
  states(): Map<Address, PoolState> {
    return new Map([...this.#pools].map(([address, { pool }]) => [address, pool]))
  }

  /**
   * Moves to a head. On an error the state stays where it was.
   * @throws FleetError `state_stale` (transient) when the node no longer has that block: look at the newest head
   */
  async follow(head: RpcBlock): Promise<Changed> {
    if (head.hash === this.#hash) return new Set()
    if (head.parentHash !== this.#hash) {
      this.#move(head, await read(this.#rpc, this.#infos, head.hash).catch(gone(head)))
      return 'all'
    }
    if (this.#infos.length === 0) {
      this.#move(head, this.#pools)
      return new Set()
    }
    const address = this.#infos.map((info) => info.address)
    const filter = { blockHash: head.hash, address, topics: [STATE_TOPICS] }
    const logs = await this.#rpc.request<RpcLog[]>('eth_getLogs', [filter]).catch(gone(head))
    this.#move(head, applyLogs(this.#pools, logs))
    return new Set(logs.map((log) => log.address))
  }

  #move(head: RpcBlock, pools: TrackedPools): void {
    this.#block = Number(head.number)
    this.#hash = head.hash
    this.#pools = pools
  }
}

async function read(rpc: Rpc, infos: readonly PoolInfo[], hash: Hex): Promise<TrackedPools> {
  return new Map((await loadTracked(rpc, infos, hash)).map((tracked) => [tracked.pool.address, tracked]))
}

const gone =
  (head: RpcBlock) =>
  (cause: unknown): never => {
    if (cause instanceof FleetError) throw cause
    throw new FleetError('state_stale', `block ${Number(head.number)} (${head.hash}) is no longer on the chain`, {
      remedy: 'Nothing: the newest head is looked at next.',
      transient: true,
      cause,
    })
  }
