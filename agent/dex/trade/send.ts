import { computeAddress, keccak256, SigningKey, Transaction } from 'ethers'
import { type Address, type GasUnits, gasUnits, type Hex, type Wei, wei } from '../../../src/protocol/units.ts'
import { type RpcBlock, type RpcReceipt, toHex } from '../chain-types.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'

/** All of an EIP-1559 transaction: nothing is filled in by asking the node. */
export interface TxFields {
  chainId: number
  nonce: number
  to: Address
  data: Hex
  gasLimit: GasUnits
  maxFeePerGasWei: Wei
  maxPriorityFeePerGasWei: Wei
}

export interface SignedTx {
  /** The bytes that eth_sendRawTransaction takes. */
  raw: Hex
  /** Known before it is sent: the intent can be made durable first. */
  hash: Hex
}

/** @param key private key, 0x and 64 hex digits */
export function signAndHash(key: Hex, fields: TxFields): SignedTx {
  const tx = Transaction.from({
    type: 2,
    chainId: fields.chainId,
    nonce: fields.nonce,
    to: fields.to,
    data: fields.data,
    value: 0,
    gasLimit: fields.gasLimit,
    maxFeePerGas: fields.maxFeePerGasWei,
    maxPriorityFeePerGas: fields.maxPriorityFeePerGasWei,
  })
  tx.signature = new SigningKey(key).sign(tx.unsignedHash)
  const raw = tx.serialized as Hex
  return { raw, hash: keccak256(raw) as Hex }
}

/** The fields of a signed transaction: what a replacement keeps, and what a revert is run again with. */
export function fieldsOf(signed: Hex): TxFields {
  const tx = Transaction.from(signed)
  return {
    chainId: Number(tx.chainId),
    nonce: tx.nonce,
    to: (tx.to ?? '0x').toLowerCase() as Address,
    data: tx.data as Hex,
    gasLimit: gasUnits(tx.gasLimit),
    maxFeePerGasWei: wei(tx.maxFeePerGas ?? 0n),
    maxPriorityFeePerGasWei: wei(tx.maxPriorityFeePerGas ?? 0n),
  }
}

/** @param key private key, 0x and 64 hex digits */
export const addressOfKey = (key: Hex): Address => computeAddress(key).toLowerCase() as Address

/**
 * Hands a signed transaction to the node's pool. Sending the same bytes again is no error.
 * @returns its hash
 * @throws RpcError when the pool refuses it (nonce used up, too little gas or money, fee below the base fee)
 */
export async function sendRaw(rpc: Rpc, signed: SignedTx): Promise<Hex> {
  try {
    return await rpc.request<Hex>('eth_sendRawTransaction', [signed.raw])
  } catch (error) {
    if (error instanceof RpcError && /already (known|imported)/i.test(error.message)) return signed.hash
    throw error
  }
}

/** A node's answer to: is this transaction known, and in which block? */
interface RpcTransaction {
  hash: Hex
  blockNumber: Hex | null
}

/** The receipt of whichever of several transactions of one nonce is in a block; null when none is. */
export async function receiptOfAny(rpc: Rpc, hashes: readonly Hex[]): Promise<RpcReceipt | null> {
  const receipts = await Promise.all(
    hashes.map((hash) => rpc.request<RpcReceipt | null>('eth_getTransactionReceipt', [hash])),
  )
  return receipts.find((receipt) => receipt !== null) ?? null
}

/** True when the node has one of them, in its pool or in a block. */
export async function knowsAny(rpc: Rpc, hashes: readonly Hex[]): Promise<boolean> {
  const found = await Promise.all(
    hashes.map((hash) => rpc.request<RpcTransaction | null>('eth_getTransactionByHash', [hash])),
  )
  return found.some((transaction) => transaction !== null)
}

/** What a sender reads before it signs. */
export async function readAccount(
  rpc: Rpc,
  account: Address,
): Promise<{ nonce: number; pendingNonce: number; balanceWei: bigint }> {
  const [nonce, pendingNonce, balance] = await Promise.all([
    rpc.request<Hex>('eth_getTransactionCount', [account, 'latest']),
    rpc.request<Hex>('eth_getTransactionCount', [account, 'pending']),
    rpc.request<Hex>('eth_getBalance', [account, 'latest']),
  ])
  return { nonce: Number(nonce), pendingNonce: Number(pendingNonce), balanceWei: BigInt(balance) }
}

/** The newest block, or the one of a number. */
export async function readHead(rpc: Rpc, block: number | 'latest' = 'latest'): Promise<RpcBlock> {
  const found = await rpc.request<RpcBlock | null>('eth_getBlockByNumber', [
    block === 'latest' ? block : toHex(block),
    false,
  ])
  if (found) return found
  throw new RpcError('eth_getBlockByNumber', { code: -32_000, message: `there is no block ${block} yet` })
}
