import type { Address, Hex } from '../../src/protocol/units.ts'

/** A block's header as the node gives it, the fields that arbdeck reads. */
export interface RpcBlock {
  number: Hex
  hash: Hex
  parentHash: Hex
  timestamp: Hex
  gasLimit: Hex
  baseFeePerGas?: Hex
  /** Bloom filter of the block's logs: 256 bytes. */
  logsBloom?: Hex
}

export interface RpcLog {
  address: Address
  topics: Hex[]
  data: Hex
  blockHash: Hex
  blockNumber: Hex
  transactionHash: Hex
  logIndex: Hex
  /** By subscription: the block of this log is no longer on the chain. */
  removed?: boolean
}

export interface RpcReceipt {
  transactionHash: Hex
  blockHash: Hex
  blockNumber: Hex
  status: Hex
  gasUsed: Hex
  effectiveGasPrice: Hex
  /** OP-stack chains only: what was paid for L1 data on top. */
  l1Fee?: Hex
  from: Address
  to: Address | null
  logs: RpcLog[]
}

/** The i-th 32-byte word of ABI-encoded bytes, as an unsigned number. */
export const word = (hex: string, index: number): bigint => BigInt(`0x${hex.slice(2 + index * 64, 66 + index * 64)}`)

/** The same as a two's-complement number. */
export const signedWord = (hex: string, index: number): bigint => BigInt.asIntN(256, word(hex, index))

/** A number as the 64 hex digits of an ABI word, without 0x. Negative numbers in two's complement. */
export const abiWord = (value: bigint | number): string =>
  BigInt.asUintN(256, BigInt(value)).toString(16).padStart(64, '0')

export const toHex = (value: bigint | number): Hex => `0x${value.toString(16)}`
