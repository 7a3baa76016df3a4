import type { ChainInfo, PoolInfo, TokenInfo } from '../../src/protocol/chain.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'
import { chosen, type PoolSource } from '../dex/discovery/discovery.ts'
import { poolsMade } from '../dex/discovery/factory-logs.ts'
import { type Proved, provedPools } from '../dex/discovery/origin.ts'
import { tokenFacts } from '../dex/discovery/token-facts.ts'
import type { Rpc } from '../dex/rpc.ts'
import type { BlockRef } from '../dex/state/journal.ts'

/** Looked through again with each new block: a reorg may have put a pool into one of them. */
const OVERLAP_BLOCKS = 8
/** Most that is looked through at once: what was missed for long is caught up with piece by piece. */
const BLOCKS_AT_ONCE = 2_000
/** A pool that is too shallow is measured again so often, and given up in the end. */
const MEASURE_EVERY_BLOCKS = 8
const SHALLOW_KEPT = 200
/** Anybody can make pools: more than so many are not taken in before the next start, which looks at all anew. */
const MOST_JOINED = 500

export interface NewPoolsOptions {
  rpc: Rpc
  chain: ChainInfo
  source: PoolSource
  log: (level: LogLevel, message: string) => void
  /** Pools that are followed: by some of them base tokens are priced. */
  followed(): readonly PoolInfo[]
  /** Takes pools in. @returns those that are really there */
  add(pools: readonly PoolInfo[]): Promise<PoolInfo[]>
  /** Told what was taken in, with the code of each, and with tokens that the chain's description does not know. */
  onAdded(pools: Proved[], tokens: TokenInfo[]): void
}

/**
 * Pools that appear after the market was read: the factories' logs of each block since then, by range, so that no gap loses
 * one. Only those are taken in that are wanted, and that a factory is proved to have made.
 */
export class NewPools {
  readonly #options: NewPoolsOptions
  readonly #known: Set<Hex>
  readonly #tokens: Set<Address>
  readonly #shallow = new Map<Hex, PoolInfo>()
  #scannedTo: number | undefined
  #measuredAt = 0
  #joined = 0
  #looking = false

  constructor(options: NewPoolsOptions) {
    this.#options = options
    this.#known = new Set(options.chain.pools.map((pool) => pool.address))
    this.#tokens = new Set(options.chain.tokens.map((token) => token.address))
    this.#scannedTo = options.chain.poolSource?.fromBlock
  }

  /**
   * Looks from where it last looked to this block, unless it is still looking, or has taken in as many as it may. Never
   * rejects: what failed is done with the next block.
   */
  async look(head: BlockRef): Promise<void> {
    if (this.#looking || this.#scannedTo === head.number || this.#joined >= MOST_JOINED) return
    this.#looking = true
    try {
      await this.#look(head)
    } catch (thrown) {
      this.#options.log('debug', `new pools were not looked for: ${asFleetError(thrown).message}`)
    } finally {
      this.#looking = false
    }
  }

  async #look(head: BlockRef): Promise<void> {
    const { rpc, source } = this.#options
    const fromBlock = Math.max(0, Math.min(this.#scannedTo ?? head.number, head.number) - OVERLAP_BLOCKS)
    const toBlock = Math.min(head.number, fromBlock + BLOCKS_AT_ONCE)
    const { factories, allowTokens } = source
    const made = await poolsMade(rpc, { factories, fromBlock, toBlock, allowTokens })
    const fresh = made.filter((pool) => !this.#known.has(pool.address) && !this.#shallow.has(pool.address))
    const candidates = [...fresh, ...this.#due(head.number)]
    if (candidates.length > 0) await this.#judge(candidates, head)
    this.#scannedTo = toBlock
  }

  /** Takes in what is wanted and proved of these; what is too shallow is looked at again later. */
  async #judge(candidates: readonly PoolInfo[], head: BlockRef): Promise<void> {
    const { rpc, source, followed, add, onAdded, log } = this.#options
    const wanted = await chosen(rpc, candidates, source, head.hash, followed())
    const proved = (await provedPools(rpc, wanted, source.factories, head.hash)).slice(0, MOST_JOINED - this.#joined)
    const tokens = await this.#unknownTokens(proved, head)
    const joined = await add(proved.map(({ pool }) => pool))
    // At once: the next block may be searched with them.
    if (joined.length > 0)
      onAdded(
        proved.filter(({ pool }) => joined.includes(pool)),
        tokens,
      )
    for (const pool of candidates) this.#keep(pool)
    for (const pool of joined) {
      this.#shallow.delete(pool.address)
      this.#known.add(pool.address)
    }
    for (const token of tokens) this.#tokens.add(token.address)
    this.#joined += joined.length
    if (joined.length > 0)
      log('info', `${joined.length} new ${joined.length === 1 ? 'pool' : 'pools'} at block ${head.number}`)
    if (this.#joined >= MOST_JOINED) log('warn', `${MOST_JOINED} new pools were taken in: no more are looked for`)
  }

  #unknownTokens(proved: readonly Proved[], head: BlockRef): Promise<TokenInfo[]> {
    const named = new Set(proved.flatMap(({ pool }) => [pool.token0, pool.token1]))
    const unknown = [...named].filter((token) => !this.#tokens.has(token))
    return tokenFacts(this.#options.rpc, unknown, head.hash)
  }

  /** The shallow ones, when it is time to measure them again. */
  #due(block: number): PoolInfo[] {
    if (block - this.#measuredAt < MEASURE_EVERY_BLOCKS) return []
    this.#measuredAt = block
    return [...this.#shallow.values()]
  }

  #keep(pool: PoolInfo): void {
    this.#shallow.set(pool.address, pool)
    const oldest = this.#shallow.keys().next().value
    if (this.#shallow.size > SHALLOW_KEPT && oldest !== undefined) this.#shallow.delete(oldest)
  }
}
