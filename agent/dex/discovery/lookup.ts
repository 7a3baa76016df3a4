import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { unreachable } from '../../../src/protocol/errors.ts'
import type { PoolKind } from '../../../src/protocol/trade.ts'
import type { Address, Hex, Pips } from '../../../src/protocol/units.ts'
import { word } from '../chain-types.ts'
import { inTurn, selector } from '../pools/lens.ts'
import { v4LiquidityCall, v4PoolId } from '../pools/v4.ts'
import type { Rpc } from '../rpc.ts'
import { addressIn, makerCall } from './maker.ts'

/** Who makes the pools of one venue; a chain profile names them. */
export interface PoolMaker {
  kind: PoolKind
  dex: string
  /** The factory; of V4 the PoolManager. */
  address: Address
  /** Of all its pools; only V2. */
  feePips?: Pips | undefined
  /** The fees, each with its tick spacing, that pools are looked for with; only V3 and V4. */
  feeTiers?: readonly { feePips: Pips; tickSpacing: number }[] | undefined
}

const GET_RESERVES = selector('getReserves()')
const LIQUIDITY = selector('liquidity()')
/** Calls under way at once: a node that counts requests is not stormed. */
const AT_ONCE = 16

/**
 * The pools between any two of some tokens, asked from their makers by name: no log is read, so that the age of the chain
 * does not matter. Pools that hold no liquidity at that block are left out.
 *
 * @param blockHash all is read at this block
 * @returns in the order of makers, pairs and fees
 */
export async function lookUpPools(
  rpc: Rpc,
  makers: readonly PoolMaker[],
  tokens: readonly Address[],
  blockHash: Hex,
): Promise<PoolInfo[]> {
  const call = (to: Address, data: string): Promise<Hex> => rpc.request('eth_call', [{ to, data }, { blockHash }])
  const sorted = [...new Set(tokens)].sort()
  const pairs = sorted.flatMap((token0, i) => sorted.slice(i + 1).map((token1): [Address, Address] => [token0, token1]))
  const questions = makers.flatMap((maker) => pairs.flatMap((pair) => candidates(maker, pair)))
  const found = await inTurn(questions, AT_ONCE, (question) => answer(question, call))
  return found.filter((pool) => pool !== undefined)
}

type Call = (to: Address, data: string) => Promise<Hex>
/** A pool that there may be; its address is known of V4 alone. */
type Candidate = Omit<PoolInfo, 'address'> & { maker: Address }

function candidates(maker: PoolMaker, [token0, token1]: [Address, Address]): Candidate[] {
  const base = { kind: maker.kind, dex: maker.dex, maker: maker.address, token0, token1 }
  if (maker.kind === 'v2') return [{ ...base, feePips: maker.feePips ?? 3_000 }]
  const manager = maker.kind === 'v4' ? { manager: maker.address } : {}
  return (maker.feeTiers ?? []).map((tier) => ({ ...base, ...tier, ...manager }))
}

async function answer({ maker, ...pool }: Candidate, call: Call): Promise<PoolInfo | undefined> {
  const { kind, token0, token1, feePips } = pool
  switch (kind) {
    case 'v2': {
      const at = addressIn(await call(maker, makerCall(pool)))
      if (at === undefined) return undefined
      const reserves = await call(at, GET_RESERVES)
      return word(reserves, 0) > 0n && word(reserves, 1) > 0n ? { ...pool, address: at } : undefined
    }
    case 'v3': {
      const at = addressIn(await call(maker, makerCall(pool)))
      if (at === undefined) return undefined
      return word(await call(at, LIQUIDITY), 0) > 0n ? { ...pool, address: at } : undefined
    }
    case 'v4': {
      const id = v4PoolId({ token0, token1, feePips, tickSpacing: pool.tickSpacing ?? 1 })
      return word(await call(maker, v4LiquidityCall(id)), 0) > 0n ? { ...pool, address: id } : undefined
    }
    default:
      return unreachable(kind)
  }
}
