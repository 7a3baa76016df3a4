import { getCreateAddress, Transaction, Wallet } from 'ethers'
import { type Address, address, type Hex } from '../../../src/protocol/units.ts'
import type { SignedTx, TxFields } from './send.ts'

/**
 * A signed transaction that makes a contract.
 * @param key private key, 0x and 64 hex digits
 * @param fields `data` is the code that makes it, with its constructor's arguments behind it
 */
export function signCreation(key: Hex, fields: Omit<TxFields, 'to'>): SignedTx {
  const tx = Transaction.from({
    type: 2,
    chainId: fields.chainId,
    nonce: fields.nonce,
    to: null,
    data: fields.data,
    value: 0,
    gasLimit: fields.gasLimit,
    maxFeePerGas: fields.maxFeePerGasWei,
    maxPriorityFeePerGas: fields.maxPriorityFeePerGasWei,
  })
  tx.signature = new Wallet(key).signingKey.sign(tx.unsignedHash)
  return { raw: tx.serialized as Hex, hash: tx.hash as Hex }
}

/** Where the contract of that transaction will be. */
export const createdAddress = (from: Address, nonce: number): Address => address(getCreateAddress({ from, nonce }))
