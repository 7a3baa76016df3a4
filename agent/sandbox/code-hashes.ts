import { keccak256 } from 'ethers'
import type { Address, Hex } from '../../src/protocol/units.ts'
import type { Rpc } from '../dex/rpc.ts'

/** The hashes of the code at some addresses, by kind of contract: each hash once, each address asked once. */
export async function hashCode<Kind extends string>(
  rpc: Rpc,
  contracts: Readonly<Record<Kind, readonly Address[]>>,
): Promise<Record<Kind, Hex[]>> {
  const addresses = [...new Set((Object.values(contracts) as Address[][]).flat())]
  const codes = await Promise.all(addresses.map((at) => rpc.request<Hex>('eth_getCode', [at, 'latest'])))
  const hashOfCode = new Map([...new Set(codes)].map((code) => [code, keccak256(code) as Hex]))
  const hashAt = new Map(addresses.map((at, index) => [at, hashOfCode.get(codes[index] as Hex) as Hex]))
  const kinds = Object.entries(contracts) as [Kind, readonly Address[]][]
  return Object.fromEntries(
    kinds.map(([kind, list]) => [kind, [...new Set(list.map((at) => hashAt.get(at) as Hex))]]),
  ) as Record<Kind, Hex[]>
}
