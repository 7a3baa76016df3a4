import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { LogLevel } from '../../../src/protocol/records.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcBlock, RpcLog } from '../chain-types.ts'
import type { Rpc } from '../rpc.ts'
import { type Branch, branchTo, Headers } from './branch.ts'
import { refOf } from './journal.ts'
import { covers, sameLogs } from './log-buffer.ts'
import { LogFeed } from './log-feed.ts'
import { Members } from './members.ts'
import { Mending } from './mending.ts'
import { MarketState } from './state.ts'

export interface SyncOptions {
  rpc: Rpc
  /** Pools that are known to be there; others join by `add`. */
  infos: readonly PoolInfo[]
  log: (level: LogLevel, message: string) => void
  onProgress?: (loaded: number, of: number) => void
}

/** A head that the state was moved to, on proven logs. */
export interface Moved {
  head: RpcBlock
  /** Since the last move; `all` after everything was read anew. */
  changed: ReadonlySet<Hex> | 'all'
  /** What `onTentative` was told is what was proven: nothing changed since. */
  held: boolean
}

const LOGS_AT_ONCE = 16

/**
 * Moves a market's state from head to head. What the subscription brought is applied at once, and at the same time the
 * node is asked for the block's logs; only what these prove is kept. A head on another branch takes blocks back through the
 * journal; one that nothing leads to makes it read everything anew. One move at a time.
 */
export class ChainSync {
  readonly #rpc: Rpc
  readonly #log: SyncOptions['log']
  readonly #members: Members
  readonly #feed: LogFeed
  readonly #state: MarketState
  readonly #mending: Mending
  readonly #headers = new Headers()
  #turn: Promise<unknown> = Promise.resolve()

  private constructor({ rpc, log }: SyncOptions, members: Members, feed: LogFeed, state: MarketState) {
    this.#rpc = rpc
    this.#log = log
    this.#members = members
    this.#feed = feed
    this.#state = state
    this.#mending = new Mending(members, state, log)
  }

  /**
   * Subscribes, then reads all pools at `head`, so that nothing falls between.
   * @throws FleetError `config_invalid` naming what is no pool, `state_stale` (transient) when the head is gone already
   */
  static async start(options: SyncOptions, head: RpcBlock): Promise<ChainSync> {
    const { rpc, infos, onProgress } = options
    const members = new Members(rpc, infos)
    const feed = new LogFeed(rpc)
    await feed.watch(infos)
    try {
      const state = new MarketState(refOf(head), await members.load(refOf(head), onProgress))
      return new ChainSync(options, members, feed, state)
    } catch (thrown) {
      await feed.stop()
      throw thrown
    }
  }

  get state(): MarketState {
    return this.#state
  }

  /** Pools whose state turned out to differ from the chain, and were mended. */
  get mended(): number {
    return this.#mending.mended
  }

  /** A head that is not moved to may still lie on the way to a later one. */
  hear(head: RpcBlock): void {
    this.#headers.hear(head)
  }

  /**
   * Moves to a head. On an error the state stays at a block whose logs were proven.
   * @param onTentative called when the state has been moved on what the subscription brought, before that is proven
   * @returns undefined when there is nowhere to go: it is there, or the head is a block that it has long passed
   * @throws FleetError `state_stale` (transient) when the node no longer has that block, `chain_unreachable`
   */
  moveTo(head: RpcBlock, onTentative?: (changed: ReadonlySet<Hex>) => void): Promise<Moved | undefined> {
    return this.#inTurn(() => this.#move(head, onTentative))
  }

  /** Reads one pool at the block the state is at, and puts it right. @returns whether it differed */
  resync(pool: Hex): Promise<boolean> {
    return this.#inTurn(() => this.#mending.reread(pool))
  }

  /** Takes pools in, read at the block the state is at. @returns those that are there and were not followed yet */
  add(infos: readonly PoolInfo[]): Promise<PoolInfo[]> {
    return this.#inTurn(async () => {
      const fresh = infos.filter((info) => !this.#members.get(info.address))
      const read = await this.#members.read(fresh, this.#state.head)
      const there = new Set<Hex>(read.map((tracked) => tracked.pool.address))
      const joined = fresh.filter((info) => there.has(info.address))
      if (joined.length === 0) return []
      await this.#feed.watch([...this.#members.all(), ...joined])
      for (const info of joined) this.#members.join(info)
      for (const tracked of read) this.#mending.put(tracked)
      return joined
    })
  }

  /** Compares a pool with the chain, without holding up a move; to be called between two moves. @returns whether it is right */
  async audit(pool: Hex): Promise<boolean> {
    const info = this.#members.get(pool)
    if (!info) return true
    const { read, found } = await this.#mending.compare(info)
    return read !== undefined && found.length === 0
  }

  stop(): Promise<void> {
    return this.#feed.stop()
  }

  /** One after another, whatever became of the one before. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work)
    this.#turn = next.catch(() => undefined)
    return next
  }

  async #move(head: RpcBlock, onTentative?: (changed: ReadonlySet<Hex>) => void): Promise<Moved | undefined> {
    this.#headers.hear(head)
    if (this.#state.reaches(head.hash)) return undefined
    if (head.parentHash === this.#state.head.hash) return this.#step(head, onTentative)
    const branch = await branchTo(head, this.#state, this.#rpc, this.#headers)
    return branch ? this.#follow(branch, head) : this.#reload(head)
  }

  /** A node that is near proves a block as soon as its logs are there; while one that is far does, the search can begin. */
  async #step(head: RpcBlock, onTentative?: (changed: ReadonlySet<Hex>) => void): Promise<Moved> {
    const proof = this.#feed.prove(head)
    const near = await (this.#feed.live ? Promise.race([proof, this.#feed.quiet()]) : proof)
    const brought = this.#feed.brought(head.hash)
    const known = near && covers(near, brought) ? near : undefined
    if (!known && !this.#mending.inDoubt) return this.#stepTentatively(head, proof, onTentative)
    this.#apply(head, known ?? (await this.#agreed(head, proof)))
    return this.#end(head, false)
  }

  async #stepTentatively(
    head: RpcBlock,
    proof: Promise<RpcLog[]>,
    onTentative?: (changed: ReadonlySet<Hex>) => void,
  ): Promise<Moved> {
    const from = this.#state.head.hash
    const brought = this.#feed.brought(head.hash)
    const tentative = this.#state.applyBlock(refOf(head), brought)
    this.#mending.note(tentative, false)
    const sound = tentative.doubtful.size === 0
    if (sound) onTentative?.(this.#mending.changed)
    let proven: RpcLog[]
    try {
      proven = await this.#agreed(head, proof)
    } catch (thrown) {
      this.#undoTo(from)
      throw thrown
    }
    if (sound && sameLogs(brought, proven)) return this.#end(head, true)
    this.#undoTo(from)
    this.#apply(head, proven)
    return this.#end(head, false)
  }

  /** A node that has brought logs which its own answer lacks contradicts itself: it is asked once more. */
  async #agreed(head: RpcBlock, proof: Promise<RpcLog[]>): Promise<RpcLog[]> {
    const proven = await proof
    return covers(proven, this.#feed.brought(head.hash)) ? proven : this.#feed.prove(head)
  }

  /** Takes back what is not on the branch and applies what is, block by block; all logs are there before it begins. */
  async #follow({ ancestor, blocks }: Branch, head: RpcBlock): Promise<Moved> {
    const back = this.#state.head.number - (Number(blocks[0]?.number) - 1)
    if (back > 0) this.#log('info', `the chain was reorganised: ${back} blocks back, ${blocks.length} on`)
    const logs: RpcLog[][] = []
    for (let at = 0; at < blocks.length; at += LOGS_AT_ONCE) {
      const some = blocks.slice(at, at + LOGS_AT_ONCE)
      logs.push(...(await Promise.all(some.map((block) => this.#feed.prove(block)))))
    }
    const pruned = blocks.some((block, at) => block !== head && this.#feed.mayBePruned(block, logs[at] ?? []))
    if (pruned) return this.#reload(head)
    this.#undoTo(ancestor)
    for (const [at, block] of blocks.entries()) this.#apply(block, logs[at] ?? [])
    return this.#end(head, false)
  }

  async #reload(head: RpcBlock): Promise<Moved> {
    this.#state.reset(refOf(head), await this.#members.load(refOf(head)))
    this.#mending.forget()
    this.#log('info', `all ${this.#state.size} pools were read anew at block ${Number(head.number)}`)
    return { head, changed: 'all', held: false }
  }

  #apply(block: RpcBlock, logs: readonly RpcLog[]): void {
    this.#mending.note(this.#state.applyBlock(refOf(block), logs), true)
  }

  #undoTo(hash: Hex): void {
    this.#mending.note(this.#state.rewindTo(hash), true)
  }

  async #end(head: RpcBlock, held: boolean): Promise<Moved> {
    const told = held && !this.#mending.inDoubt
    return { head, changed: await this.#mending.settle(), held: told }
  }
}
