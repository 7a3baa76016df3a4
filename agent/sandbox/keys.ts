import { computeAddress, keccak256, toUtf8Bytes } from 'ethers'
import { type Address, address, type Hex } from '../../src/protocol/units.ts'

/** How many executors a sandbox funds and authorises. */
export const SANDBOX_EXECUTORS = 50

/**
 * The private key of executor `n` of a practice fleet: keccak256 of seed and number. A secret only as long as the seed is.
 * @param n from 1
 */
export function executorKey(practiceSeed: string, n: number): Hex {
  return keccak256(toUtf8Bytes(`arbdeck practice executor ${n}\n${practiceSeed}`)) as Hex
}

/** The key of the account that owns ArbExecutor in a sandbox: it takes no part in trading. */
export function ownerKey(practiceSeed: string): Hex {
  return keccak256(toUtf8Bytes(`arbdeck practice owner\n${practiceSeed}`)) as Hex
}

export function keyAddress(key: Hex): Address {
  return address(computeAddress(key))
}
