import { basesOf, type ChainInfo, type PoolInfo } from '../../src/protocol/chain.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { Opportunity } from '../../src/protocol/trade.ts'
import { type Hex, wei } from '../../src/protocol/units.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import type { Rpc } from '../dex/rpc.ts'
import { SearchEngine } from '../dex/search/search.ts'
import { ChainSync } from '../dex/state/sync.ts'
import { L1Fee } from './l1-fee.ts'
import { Liquidity } from './liquidity.ts'
import type { BlockTimings, SearchSpec } from './thread-messages.ts'

export interface FollowOptions {
  chain: ChainInfo
  rpc: Rpc
  spec: SearchSpec
  log: (level: LogLevel, message: string) => void
  onProgress?: (loaded: number, of: number) => void
  /** Told after each search, at a state that is proven. */
  onBlock(head: { number: number; hash: Hex }, pools: number, found: Opportunity[], timings: BlockTimings): void
}

/** A head, and when it came: milliseconds since 1970, with a fraction. */
export interface SeenHead {
  head: RpcBlock
  seenAt: number
}

/** The market of one chain instance, moved on head by head and searched at each. */
export class Follower {
  readonly #options: FollowOptions
  readonly #sync: ChainSync
  readonly #liquidity: Liquidity
  readonly #l1Fee: L1Fee
  readonly #pools: PoolInfo[]
  #engine: SearchEngine
  #audited = 0
  #background: Promise<void> = Promise.resolve()
  #busy = false

  private constructor(options: FollowOptions, sync: ChainSync) {
    this.#options = options
    this.#sync = sync
    this.#pools = [...options.chain.pools]
    this.#liquidity = new Liquidity(options)
    this.#l1Fee = new L1Fee(options)
    this.#engine = this.#newEngine()
  }

  /**
   * Reads all pools at a block and searches there.
   * @throws FleetError `config_invalid` naming what is no pool, `chain_unreachable`
   */
  static async start(options: FollowOptions, { head, seenAt }: SeenHead): Promise<Follower> {
    const { chain, log } = options
    const sync = await ChainSync.start({ ...options, infos: chain.pools }, head)
    const follower = new Follower(options, sync)
    const { cycles } = follower.#engine.stats
    if (chain.pools.length === 0) {
      log('warn', `no pools are known on chain ${chain.chainId}: heads are followed, opportunities cannot be found`)
    } else {
      const what = `${chain.pools.length} pools, ${cycles} cycles`
      log('info', `block ${Number(head.number)} of ${chain.chainInstance}: ${what}`)
    }
    await follower.#readTerms(head)
    const found = follower.#searchAt(head, 'all')
    const ms = wallClock() - seenAt
    follower.#say(head, found, { seenAt, searchedMs: ms, provenMs: ms, held: false, changed: sync.state.size })
    return follower
  }

  get sync(): ChainSync {
    return this.#sync
  }

  /** Those that are there. */
  get pools(): PoolInfo[] {
    return this.#pools.filter(({ address }) => this.#sync.state.get(address) !== undefined)
  }

  /**
   * Moves to the newest of some heads, in the order in which they came, that leads on, and searches there.
   * @throws FleetError `state_stale` (transient): look at the newest head; `chain_unreachable`
   */
  async work(heads: readonly SeenHead[]): Promise<void> {
    for (const { head } of heads) this.#sync.hear(head)
    for (const seen of [...heads].reverse()) if (await this.#workHead(seen)) return
  }

  /** Takes in pools that have appeared. @returns those that are really there */
  async add(infos: readonly PoolInfo[]): Promise<PoolInfo[]> {
    const joined = await this.#sync.add(infos)
    if (joined.length === 0) return []
    this.#pools.push(...joined)
    this.#engine = this.#newEngine()
    return joined
  }

  async stop(): Promise<void> {
    await this.#background
    await this.#sync.stop()
  }

  async #workHead({ head, seenAt }: SeenHead): Promise<boolean> {
    let found: Opportunity[] = []
    let searchedMs = 0
    const search = (changed: ReadonlySet<Hex> | 'all') => {
      found = this.#searchAt(head, changed)
      searchedMs ||= wallClock() - seenAt
    }
    const moved = await this.#sync.moveTo(head, search)
    if (!moved) return false
    if (!moved.held) search(moved.changed)
    const changed = moved.changed === 'all' ? this.#sync.state.size : moved.changed.size
    this.#say(head, found, { seenAt, searchedMs, provenMs: wallClock() - seenAt, held: moved.held, changed })
    this.#beginBackground(head)
    return true
  }

  #say(head: RpcBlock, found: Opportunity[], timings: BlockTimings): void {
    this.#options.onBlock({ number: Number(head.number), hash: head.hash }, this.#sync.state.size, found, timings)
  }

  #newEngine(): SearchEngine {
    const engine = new SearchEngine({ pools: this.#pools, bases: basesOf(this.#options.chain) })
    for (const state of this.#sync.state.states().values()) engine.setPool(state)
    return engine
  }

  #searchAt(head: RpcBlock, changed: ReadonlySet<Hex> | 'all'): Opportunity[] {
    const { chain, spec } = this.#options
    this.#hand(changed === 'all' ? this.#pools.map((info) => info.address) : changed)
    return this.#engine.search({
      chain,
      block: Number(head.number),
      blockHash: head.hash,
      baseFeeWei: wei(BigInt(head.baseFeePerGas ?? '0x0')),
      minProfitWei: spec.minProfitWei,
      limits: spec.limits,
      planBlocks: spec.planBlocks,
      liquidity: this.#liquidity.known,
      l1FeeWei: this.#l1Fee.of,
    })
  }

  #hand(pools: Iterable<Hex>): void {
    for (const id of pools) {
      const tracked = this.#sync.state.get(id)
      if (tracked) this.#engine.setPool(tracked.pool)
      else this.#engine.dropPool(id)
    }
  }

  /** Between two blocks: what lenders have and what L1 costs, and one pool after another compared with the chain. */
  #beginBackground(head: RpcBlock): void {
    if (this.#busy) return
    this.#busy = true
    const audit = this.#auditNext().catch((thrown: unknown) => {
      this.#options.log('debug', `a pool was not compared with the chain: ${String(thrown)}`)
    })
    this.#background = Promise.all([audit, this.#readTerms(head)]).then(() => {
      this.#busy = false
    })
  }

  async #readTerms(head: RpcBlock): Promise<void> {
    const block = Number(head.number)
    await Promise.all([this.#liquidity.read(block, head.hash), this.#l1Fee.read(block, head.hash)])
  }

  async #auditNext(): Promise<void> {
    const info = this.#pools[this.#audited++ % Math.max(1, this.#pools.length)]
    if (info && !(await this.#sync.audit(info.address))) await this.#sync.resync(info.address)
  }
}

/** Milliseconds since 1970 with a fraction: the same in all threads. */
export const wallClock = (): number => performance.timeOrigin + performance.now()
