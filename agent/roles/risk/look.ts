import type { ChainInfo, PoolInfo } from '../../../src/protocol/chain.ts'
import type { Hop, Opportunity, PoolId } from '../../../src/protocol/trade.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import type { RpcBlock } from '../../dex/chain-types.ts'
import { loadPools } from '../../dex/pools/load.ts'
import { RpcError } from '../../dex/rpc/error.ts'
import type { Rpc } from '../../dex/rpc.ts'
import { codeHash } from '../../dex/trade/code-hash.ts'
import { type Probed, probeRoute } from '../../dex/trade/probe.ts'
import { type Sides, sidesOf } from './depth.ts'
import { Remembered } from './remembered.ts'

/** Blocks for which something that was found out holds. */
const CODE_BLOCKS = 1_000
const DEPTH_BLOCKS = 200
const PROBE_BLOCKS = 100
const MOST = 20_000
/** Of those who may hold what a probe begins with. */
const HOLDERS = 6

export interface Place {
  rpc: Rpc
  chain: ChainInfo
  /** A block that is there already: what was found out lately is remembered by it. */
  block: number
  /** The node's own newest block, where something must be asked of it; it is asked for once. */
  head(): Promise<Pick<RpcBlock, 'number' | 'hash'>>
}

/** What the chain says of a route, asked once and kept for some blocks. */
export class Looks {
  readonly #codes = new Remembered<Address, Hex>(CODE_BLOCKS, MOST)
  readonly #sides = new Remembered<PoolId, Sides>(DEPTH_BLOCKS, MOST)
  /** By token and code: other code at the same address is another token. */
  readonly #probes = new Remembered<string, Probed>(PROBE_BLOCKS, MOST)

  async codeHash({ rpc, chain: { chainInstance }, block }: Place, address: Address): Promise<Hex> {
    const known = this.#codes.get(chainInstance, address, block)
    if (known) return known
    const hash = await codeHash(rpc, address)
    this.#codes.set(chainInstance, address, block, hash)
    return hash
  }

  /** What each pool of a route holds. */
  async sides({ rpc, chain, block, head }: Place, hops: readonly Hop[]): Promise<Map<PoolId, Sides>> {
    const all = new Map(hops.map(({ pool }) => [pool, this.#sides.get(chain.chainInstance, pool, block)]))
    const unknown = hops.filter(({ pool }) => all.get(pool) === undefined).map((hop) => infoOf(hop, chain.pools))
    for (const state of unknown.length > 0 ? await loadPools(rpc, unknown, (await head()).hash) : []) {
      const sides = sidesOf(state)
      all.set(state.address, sides)
      this.#sides.set(chain.chainInstance, state.address, block, sides)
    }
    return all as Map<PoolId, Sides>
  }

  /**
   * How the tokens that a route passes through behave. Where they were probed lately nothing is asked.
   * @param codes hashes of the tokens' code
   * @returns or why they could not be probed
   */
  async probes(
    place: Place,
    { hops, sizeRaw, lender }: Pick<Opportunity, 'hops' | 'sizeRaw' | 'lender'>,
    { signer, codes }: { signer(): Promise<Address>; codes: ReadonlyMap<Address, Hex> },
  ): Promise<Probed[] | string> {
    const { rpc, chain, block } = place
    const keyOf = (token: Address): string => `${token}/${codes.get(token)}`
    const tokens = hops.slice(1).map((hop) => hop.tokenIn)
    const known = tokens.map((token) => this.#probes.get(chain.chainInstance, keyOf(token), block))
    if (known.every((probed) => probed !== undefined)) return known
    if (!chain.executor) return 'there is no ArbExecutor to probe from'
    const trader = chain.executor.address
    const holders = holdersOf(chain, { hops, lender })
    const from = await signer()
    const { hash: blockHash } = await place.head()
    const request = { hops, amountRaw: sizeRaw, trader, from, weth: chain.weth, holders, blockHash }
    try {
      const probed = await probeRoute(rpc, request)
      // A fault may be of the moment, or of the size: it is looked at again.
      for (const each of (probed ?? []).filter(({ fault }) => fault === null))
        this.#probes.set(chain.chainInstance, keyOf(each.token), block, each)
      return probed ?? `nobody known holds ${hops[0]?.tokenIn} to begin with`
    } catch (thrown) {
      if (thrown instanceof RpcError) return thrown.message
      throw thrown
    }
  }
}

/** Pools and vaults that hold what a route begins with, and are not on it. */
function holdersOf({ pools, lenders }: ChainInfo, { hops }: Pick<Opportunity, 'hops' | 'lender'>): Address[] {
  const token = hops[0]?.tokenIn as Address
  const venues = new Set<string>(hops.map((hop) => hop.v4?.manager ?? hop.pool))
  const holds = ({ token0, token1 }: PoolInfo): boolean => token0 === token || token1 === token
  const vaults = lenders.filter(({ kind }) => kind === 'balancer_v2').map(({ address }) => address)
  const venuesOfOthers = pools.filter(holds).map((pool) => pool.manager ?? (pool.address as Address))
  return [...new Set([...vaults, ...venuesOfOthers])].filter((holder) => !venues.has(holder)).slice(0, HOLDERS)
}

/** As the chain describes the pool; one that it does not describe as the hop does. */
function infoOf({ pool, kind, dex, feePips, tokenIn, tokenOut, v4 }: Hop, pools: readonly PoolInfo[]): PoolInfo {
  const known = pools.find(({ address }) => address === pool)
  if (known) return known
  const [token0, token1] = tokenIn < tokenOut ? [tokenIn, tokenOut] : [tokenOut, tokenIn]
  return { kind, address: pool, dex, feePips, token0, token1, ...v4 }
}
