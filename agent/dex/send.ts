import { Transaction, Wallet } from 'ethers'
import type { Address, GasUnits, Hex, Wei } from '../../src/protocol/units.ts'
import { type RpcBlock, type RpcReceipt, toHex } from './chain-types.ts'
import { RpcError } from './rpc/error.ts'
import type { Rpc } from './rpc.ts'

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
  tx.signature = new Wallet(key).signingKey.sign(tx.unsignedHash)
  return { raw: tx.serialized as Hex, hash: tx.hash as Hex }
}

/** @param key private key, 0x and 64 hex digits */
export const addressOfKey = (key: Hex): Address => new Wallet(key).address.toLowerCase() as Address

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

/**
 * Waits until a transaction is in a block.
 * @param untilBlock gives up once this block is the head, or past, and the transaction is in none
 * @returns the receipt, or null when it was not mined by then
 * @throws what the signal was aborted with; FleetError `chain_unreachable`
 */
export async function waitForReceipt(
  rpc: Rpc,
  hash: Hex,
  untilBlock: number,
  signal: AbortSignal,
): Promise<RpcReceipt | null> {
  const heads = await headNudges(rpc, signal)
  try {
    for (;;) {
      signal.throwIfAborted()
      // The head first: a receipt that is missing after it was missing in that block too.
      const head = Number(await rpc.request<Hex>('eth_blockNumber'))
      const receipt = await rpc.request<RpcReceipt | null>('eth_getTransactionReceipt', [hash])
      if (receipt) return receipt
      if (head >= untilBlock) return null
      await heads.next()
    }
  } finally {
    await heads.stop()
  }
}

const LOOK_AGAIN_MS = 1_000

/** Wakes at a new head, and every second in case one was missed. */
async function headNudges(rpc: Rpc, signal: AbortSignal) {
  let wake: () => void = () => undefined
  let pending = false
  const nudge = (): void => {
    pending = true
    wake()
  }
  const unsubscribe = await rpc.subscribe(['newHeads'], nudge)
  signal.addEventListener('abort', nudge)
  return {
    async next(): Promise<void> {
      if (!pending) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_AGAIN_MS)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      pending = false
    },
    async stop(): Promise<void> {
      signal.removeEventListener('abort', nudge)
      await unsubscribe()
    },
  }
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
