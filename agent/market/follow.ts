import type { ChainInfo } from '../../src/protocol/chain.ts'
import { asFleetError, FleetError } from '../../src/protocol/errors.ts'
import type { FleetSpec } from '../../src/protocol/fleet.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { Opportunity } from '../../src/protocol/trade.ts'
import { type Hex, type Raw, wei } from '../../src/protocol/units.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import { type Cycle, findCycles } from '../dex/cycles.ts'
import { lenderLiquidity } from '../dex/lender-liquidity.ts'
import type { Rpc } from '../dex/rpc.ts'
import { findOpportunities, type SearchCache } from '../dex/search.ts'
import { MarketState } from '../dex/state.ts'

const LIQUIDITY_EVERY_BLOCKS = 16

export interface FollowOptions {
  chain: ChainInfo
  rpc: Rpc
  spec: Pick<FleetSpec, 'limits' | 'minProfitWei' | 'planBlocks'>
  log: (level: LogLevel, message: string) => void
  /** Called for the newest head of those that were waiting, with what was found at its state. */
  onBlock(head: { number: number; hash: Hex }, found: readonly Opportunity[]): Promise<void>
}

/** The market of one chain instance, moved on head by head. */
export class Follower {
  readonly #options: FollowOptions
  readonly #state: MarketState
  readonly #cycles: readonly Cycle[]
  readonly #cache: SearchCache = new Map()
  #liquidity: Raw | undefined
  #liquidityBlock = Number.NEGATIVE_INFINITY

  private constructor(options: FollowOptions, state: MarketState) {
    this.#options = options
    this.#state = state
    const { pools, weth } = options.chain
    this.#cycles = weth ? findCycles(pools, weth) : []
  }

  /**
   * Reads all pools at the newest block.
   * @throws FleetError `chain_mismatch` when the node is of another chain, `chain_unreachable`
   */
  static async start(options: FollowOptions): Promise<Follower> {
    const { chain, rpc, log } = options
    const chainId = Number(await rpc.request<Hex>('eth_chainId'))
    if (chainId !== chain.chainId) throw anotherChain(chainId, chain.chainId)
    const head = await newest(rpc)
    const follower = new Follower(options, await MarketState.load(rpc, chain.pools, head))
    const what = `${chain.pools.length} pools, ${follower.#cycles.length} cycles`
    if (chain.pools.length > 0) log('info', `block ${Number(head.number)} of ${chain.chainInstance}: ${what}`)
    else log('warn', `no pools are known on chain ${chainId}: heads are followed, opportunities cannot be found`)
    await follower.#search(head)
    return follower
  }

  get hash(): Hex {
    return this.#state.hash
  }

  /** Applies the heads in order and searches at the last. One that does not follow the other makes it jump to the last. */
  async work(heads: readonly RpcBlock[]): Promise<void> {
    const last = heads.at(-1)
    if (!last || last.hash === this.#state.hash) return
    for (const head of heads) {
      const next = head.parentHash === this.#state.hash
      if (next || head === last) await this.#state.follow(head)
      else if (head.hash !== this.#state.hash) break
    }
    if (this.#state.hash !== last.hash) await this.#state.follow(last)
    await this.#search(last)
  }

  async #search(head: RpcBlock): Promise<void> {
    const { chain, spec, onBlock } = this.#options
    const number = Number(head.number)
    await this.#readLiquidity(number, head.hash)
    const found = findOpportunities({
      states: this.#state.states(),
      cycles: this.#cycles,
      cache: this.#cache,
      chain,
      block: number,
      blockHash: head.hash,
      baseFeeWei: wei(BigInt(head.baseFeePerGas ?? '0x0')),
      minProfitWei: spec.minProfitWei,
      limits: spec.limits,
      planBlocks: spec.planBlocks,
      ...(this.#liquidity === undefined ? {} : { lenderLiquidityRaw: this.#liquidity }),
    })
    await onBlock({ number, hash: head.hash }, found)
  }

  /** Now and then: loans are paid back in the block that takes them, so it changes slowly. */
  async #readLiquidity(block: number, blockHash: Hex): Promise<void> {
    const { chain, rpc, log } = this.#options
    const [lender] = [...chain.lenders].sort((a, b) => a.premiumBps - b.premiumBps)
    if (!lender || !chain.weth || block - this.#liquidityBlock < LIQUIDITY_EVERY_BLOCKS) return
    this.#liquidityBlock = block
    try {
      this.#liquidity = await lenderLiquidity(rpc, lender, chain.weth, blockHash)
    } catch (error) {
      log('warn', `the lender's liquidity is not known: ${asFleetError(error).message}`)
    }
  }
}

export async function newest(rpc: Rpc): Promise<RpcBlock> {
  return rpc.request<RpcBlock>('eth_getBlockByNumber', ['latest', false])
}

const anotherChain = (is: number, wanted: number): FleetError =>
  new FleetError('chain_mismatch', `the node is of chain ${is}, the fleet was made for chain ${wanted}`, {
    remedy: 'Give the right --chain, or take the fleet down and up again with --chain-id.',
  })
