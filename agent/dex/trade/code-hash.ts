import { keccak256 } from 'ethers'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import type { Rpc } from '../rpc.ts'

/** keccak256 of the code at an address now, as EXTCODEHASH gives it; of no code at all where there is none. */
export async function codeHash(rpc: Rpc, address: Address): Promise<Hex> {
  return keccak256(await rpc.request<Hex>('eth_getCode', [address, 'latest'])) as Hex
}
