import { keccak256 } from 'ethers'
import type { PoolFactory, PoolInfo } from '../../../src/protocol/chain.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { abiWord } from '../chain-types.ts'
import { inTurn } from '../pools/lens.ts'
import { poolKind } from '../pools/table.ts'
import type { Rpc } from '../rpc.ts'
import { codeHash } from '../trade/code-hash.ts'
import { addressIn, makerCall } from './maker.ts'

/** A pool whose origin is proved, and the code that was found there. */
export interface Proved {
  pool: PoolInfo
  /** Key of ChainInfo.codeHashes. */
  codeKey: string
  codeHash: Hex
}

type Origin = Pick<PoolFactory, 'kind' | 'dex' | 'address' | 'poolInitCodeHash' | 'poolDeployer' | 'poolCodeHash'>

const AT_ONCE = 8

/**
 * Those of some pools that a factory of the profile itself made, which is what makes their code known: V3 pools have their
 * tokens and fee in their code, so that no two have the same hash, and a hash alone says nothing of a new one. A pool is a
 * factory's when the factory names it as its own for that pair, and, where it is known what its pools are created from, when
 * its address is CREATE2's of that. A V4 pool is its manager's, which is on the list or is not.
 *
 * @param blockHash all factories are asked at this block
 */
export async function provedPools(
  rpc: Rpc,
  pools: readonly PoolInfo[],
  factories: readonly Origin[],
  blockHash: Hex,
): Promise<Proved[]> {
  const proofs = await inTurn(pools, AT_ONCE, async (pool): Promise<Proved | undefined> => {
    const maker = await makerOf(rpc, pool, factories, blockHash)
    if (!maker) return undefined
    const { contractOf, codeKey } = poolKind(pool.kind)
    const found = await codeHash(rpc, contractOf(pool))
    return hasCode(pool, maker, found) ? { pool, codeKey, codeHash: found } : undefined
  })
  return proofs.filter((proof) => proof !== undefined)
}

/** Whether the code at a pool is what its factory's pools have, where the profile says what that is. */
export const hasCode = (pool: Pick<PoolInfo, 'kind'>, { poolCodeHash }: Origin, found: Hex): boolean =>
  pool.kind === 'v4' || poolCodeHash === undefined || poolCodeHash === found

/** Whether a pool lies where its factory's pools must lie; true where that is not known. */
export function liesRight(pool: PoolInfo, { address, poolInitCodeHash, poolDeployer }: Origin): boolean {
  if (pool.kind === 'v4') return pool.manager === address
  return poolInitCodeHash === undefined || pool.address === create2(pool, poolDeployer ?? address, poolInitCodeHash)
}

async function makerOf(
  rpc: Rpc,
  pool: PoolInfo,
  factories: readonly Origin[],
  blockHash: Hex,
): Promise<Origin | undefined> {
  for (const factory of factories) {
    if (factory.kind !== pool.kind || factory.dex !== pool.dex || !liesRight(pool, factory)) continue
    if (pool.kind === 'v4') return factory
    const call = { to: factory.address, data: makerCall(pool) }
    if (addressIn(await rpc.request<Hex>('eth_call', [call, { blockHash }])) === pool.address) return factory
  }
  return undefined
}

/** The address of what a V2 or V3 factory creates: the salt is the hash of the tokens, packed, or of tokens and fee, as words. */
function create2({ kind, token0, token1, feePips }: PoolInfo, creator: Address, initCodeHash: Hex): Hex {
  const words = [BigInt(token0), BigInt(token1), feePips].map(abiWord).join('')
  const salt = keccak256(kind === 'v2' ? `0x${token0.slice(2)}${token1.slice(2)}` : `0x${words}`)
  return `0x${keccak256(`0xff${creator.slice(2)}${salt.slice(2)}${initCodeHash.slice(2)}`).slice(-40)}`
}
