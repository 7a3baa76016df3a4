import type { ChainInfo, PoolInfo, TokenInfo } from '../../src/protocol/chain.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { Address, Hex } from '../../src/protocol/units.ts'
import { chosen, type PoolSource } from '../dex/discovery/discovery.ts'
import { poolsMade } from '../dex/discovery/factory-logs.ts'
import { tokenFacts } from '../dex/discovery/token-facts.ts'
import type { Rpc } from '../dex/rpc.ts'
import type { BlockRef } from '../dex/state/journal.ts'

/** Looked through again with each new block: a reorg may have put a pool into one of them. */
const OVERLAP_BLOCKS = 8
/** A pool that is too shallow is measured again so often, and given up in the end. */
const MEASURE_EVERY_BLOCKS = 32
const SHALLOW_KEPT = 1_000

export interface NewPoolsOptions {
  rpc: Rpc
  chain: ChainInfo
  source: PoolSource
  log: (level: LogLevel, message: string) => void
  /** Takes pools in. @returns those that are really there */
  add(pools: readonly PoolInfo[]): Promise<PoolInfo[]>
  /** Told what was taken in, with tokens that the chain's description does not know. */
  onAdded(pools: PoolInfo[], tokens: TokenInfo[]): void
}

/** Pools that appear while the bot runs: the factories' logs of each block, by range, so that no gap loses one. */
export class NewPools {
  readonly #options: NewPoolsOptions
  readonly #known: Set<Hex>
  readonly #tokens: Set<Address>
  readonly #shallow = new Map<Hex, PoolInfo>()
  #scannedTo: number | undefined
  #measuredAt = 0

  constructor(options: NewPoolsOptions) {
    this.#options = options
    this.#known = new Set(options.chain.pools.map((pool) => pool.address))
    this.#tokens = new Set(options.chain.tokens.map((token) => token.address))
  }

  /** Looks from where it last looked to this block. Never rejects: what failed is done with the next block. */
  async look(head: BlockRef): Promise<void> {
    if (this.#scannedTo === head.number) return
    try {
      await this.#look(head)
      this.#scannedTo = head.number
    } catch (thrown) {
      this.#options.log('debug', `new pools were not looked for: ${asFleetError(thrown).message}`)
    }
  }

  async #look(head: BlockRef): Promise<void> {
    const { rpc, source, add, onAdded, log } = this.#options
    const fromBlock = Math.max(0, (this.#scannedTo ?? head.number) - OVERLAP_BLOCKS)
    const range = { fromBlock, toBlock: head.number, allowTokens: source.allowTokens }
    const made = await Promise.all(source.factories.map((factory) => poolsMade(rpc, { ...range, factory })))
    const fresh = made.flat().filter((pool) => !this.#known.has(pool.address) && !this.#shallow.has(pool.address))
    const candidates = [...fresh, ...this.#due(head.number)]
    if (candidates.length === 0) return
    const wanted = await chosen(rpc, candidates, source, head.hash)
    const joined = await add(wanted)
    for (const pool of candidates) this.#keep(pool)
    for (const pool of joined) {
      this.#shallow.delete(pool.address)
      this.#known.add(pool.address)
    }
    if (joined.length === 0) return
    const named = [...new Set(joined.flatMap(({ token0, token1 }) => [token0, token1]))]
    const tokens = await tokenFacts(
      rpc,
      named.filter((token) => !this.#tokens.has(token)),
      head.hash,
    )
    for (const token of tokens) this.#tokens.add(token.address)
    log('info', `${joined.length} new ${joined.length === 1 ? 'pool' : 'pools'} at block ${head.number}`)
    onAdded(joined, tokens)
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
