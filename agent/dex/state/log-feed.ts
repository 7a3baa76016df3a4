import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcBlock, RpcLog } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'
import { LogBuffer } from './log-buffer.ts'
import { type BlockFilter, blockFilterOf, mayBePruned, provenLogs } from './proof.ts'

/** Of one block all logs come within half a millisecond, at best before its head. */
const QUIET_MS = 2

/** The logs of a set of pools: as the subscription brings them, and as the node proves them. */
export class LogFeed {
  readonly #rpc: Rpc
  readonly #buffer = new LogBuffer()
  #filter: BlockFilter = { topics: [] }
  #empty = true
  #heard = 0
  #live = false
  #unsubscribe: () => Promise<void> = async () => undefined

  constructor(rpc: Rpc) {
    this.#rpc = rpc
  }

  /** Watches these pools from now on, and no others. Over HTTP there is no subscription: every block waits for its proof. */
  async watch(infos: readonly PoolInfo[]): Promise<void> {
    const before = this.#unsubscribe
    const filter = blockFilterOf(infos)
    this.#unsubscribe = infos.length > 0 ? await this.#subscribe(filter) : async () => undefined
    this.#filter = filter
    this.#empty = infos.length === 0
    await before()
  }

  /** What the subscription brought for a block so far, in order. */
  brought(blockHash: Hex): RpcLog[] {
    return this.#buffer.of(blockHash)
  }

  /** Whether there is a subscription: over HTTP there is none. */
  get live(): boolean {
    return this.#live
  }

  /** Resolves when no log has come for a moment: those of a block come in one go. */
  async quiet(): Promise<void> {
    let heard = -1
    while (heard !== this.#heard) {
      heard = this.#heard
      await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
    }
  }

  /** @throws FleetError `state_stale` (transient) when the node no longer has that block, `chain_unreachable` */
  prove(block: RpcBlock): Promise<RpcLog[]> {
    if (this.#empty) return Promise.resolve([])
    const proof = provenLogs(this.#rpc, block, this.#filter)
    proof.catch(() => undefined) // whoever asked awaits it later
    return proof
  }

  /** Whether the node may have pruned the logs of a block for which it gave these. */
  mayBePruned(block: RpcBlock, logs: readonly RpcLog[]): boolean {
    return !this.#empty && mayBePruned(block, logs, this.#filter)
  }

  async stop(): Promise<void> {
    await this.#unsubscribe()
  }

  async #subscribe(filter: BlockFilter): Promise<() => Promise<void>> {
    try {
      const unsubscribe = await this.#rpc.subscribe(['logs', filter], (log) => {
        this.#heard += 1
        this.#buffer.add(log as RpcLog)
      })
      this.#live = true
      return unsubscribe
    } catch (thrown) {
      if (thrown instanceof FleetError && thrown.code === 'unsupported') return async () => undefined
      throw thrown
    }
  }
}
