import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { asFleetError } from '../../../src/protocol/errors.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { Tracked } from '../pools/logs.ts'
import { readPools } from '../pools/read-pools.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'
import type { BlockRef } from './journal.ts'
import { gone } from './proof.ts'

/**
 * The pools that are followed. Those that joined after the start may be taken away again by a reorg; the others must be there,
 * but for those that were found while somebody followed the chain before.
 */
export class Members {
  readonly #rpc: Rpc
  readonly #infos = new Map<Hex, PoolInfo>()
  readonly #joined = new Set<Hex>()

  constructor(rpc: Rpc, infos: readonly PoolInfo[]) {
    this.#rpc = rpc
    for (const info of infos) this.#infos.set(info.address, info)
  }

  get(pool: Hex): PoolInfo | undefined {
    return this.#infos.get(pool)
  }

  all(): PoolInfo[] {
    return [...this.#infos.values()]
  }

  join(info: PoolInfo): void {
    this.#infos.set(info.address, info)
    this.#joined.add(info.address)
  }

  drop(pool: Hex): void {
    this.#infos.delete(pool)
    this.#joined.delete(pool)
  }

  /**
   * Reads all of them at a block; joined ones that are not there are dropped.
   * @throws FleetError `state_stale` (transient) without that block, `config_invalid` naming what is no pool
   */
  async load(head: BlockRef, onProgress?: (loaded: number, of: number) => void): Promise<Tracked[]> {
    const certain = this.all().filter((info) => !this.#joined.has(info.address))
    const joined = this.all().filter((info) => this.#joined.has(info.address))
    const read = await Promise.all([readPools(this.#rpc, certain, head, onProgress), this.read(joined, head)]).catch(
      (thrown: unknown) => {
        if (asFleetError(thrown).code === 'config_invalid' && this.#doubtFound()) return undefined
        throw thrown instanceof RpcError ? gone(head, thrown) : thrown
      },
    )
    if (!read) return this.load(head, onProgress)
    const [pools, others] = read
    const there = new Set<Hex>(others.map((tracked) => tracked.pool.address))
    for (const { address } of joined) if (!there.has(address)) this.drop(address)
    return [...pools, ...others]
  }

  /** Those whose creation was seen may have been taken back since, as if they had joined. @returns whether there are more now */
  #doubtFound(): boolean {
    const before = this.#joined.size
    for (const { address, createdBlock } of this.all()) if (createdBlock !== undefined) this.#joined.add(address)
    return this.#joined.size > before
  }

  /** Reads some pools one by one: what is no pool at that block is left out. */
  async read(infos: readonly PoolInfo[], block: BlockRef): Promise<Tracked[]> {
    const read = infos.map((info) =>
      readPools(this.#rpc, [info], block).catch((thrown: unknown) => {
        if (asFleetError(thrown).code === 'config_invalid') return []
        throw thrown
      }),
    )
    return (await Promise.all(read)).flat()
  }
}
