import { keccak256 } from 'ethers'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { type Address, address, type Hex } from '../../../src/protocol/units.ts'
import { abiWord } from '../chain-types.ts'

/** Where ArbExecutor is put, for the length of a simulation, on a chain that has none of ours. */
export const REHEARSAL_ADDRESS: Address = address('0x00000000000000000000000000000000a6bdec02')

/** Where ArbExecutor keeps what. */
const SLOT = { isExecutor: 2, inputCap: 3, weth: 4 } as const
const ANY = 2n ** 256n - 1n

export type RehearsalOverrides = Readonly<Record<Address, { code?: Hex; stateDiff: Readonly<Record<Hex, Hex>> }>>

/**
 * What a simulation must be given so that `from` may execute where nobody has allowed it to: on a chain without our contract
 * its code, the wrapped native token and a cap that caps nothing; on one with it, leave for `from` alone. For dry runs
 * only: what is signed is simulated without.
 */
export function rehearsalOverrides(
  chain: Pick<ChainInfo, 'executor' | 'weth'>,
  from: Address,
  token: Address,
): RehearsalOverrides {
  const { executor, weth } = chain
  if (!executor) return {}
  const { code } = executor
  const allowed = { [inMapping(from, SLOT.isExecutor)]: word(1n) }
  if (code === undefined) return { [executor.address]: { stateDiff: allowed } }
  const stateDiff = {
    ...allowed,
    [inMapping(token, SLOT.inputCap)]: word(ANY),
    [word(SLOT.weth)]: word(BigInt(weth ?? 0)),
  }
  return { [executor.address]: { code, stateDiff } }
}

const word = (value: bigint | number): Hex => `0x${abiWord(value)}`
const inMapping = (key: Address, slot: number): Hex => keccak256(`0x${abiWord(BigInt(key))}${abiWord(slot)}`) as Hex
