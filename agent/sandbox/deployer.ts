import { AbiCoder, FunctionFragment, getCreateAddress, id, toQuantity } from 'ethers'
import { FleetError } from '../../src/protocol/errors.ts'
import { type Address, address, type Hex } from '../../src/protocol/units.ts'
import type { Rpc } from '../dex/rpc.ts'
import type { Artefacts } from './artefacts.ts'

const DEPLOYMENT_GAS_LIMIT = 10_000_000_000n
const TRANSACTION_GAS = 30_000_000n
const GAS_PRICE = 5_000_000_000n

/** The account that makes the market and trades in it. Nobody has its key: anvil impersonates it. */
export const MARKET_MAKER: Address = `0x${id('arbdeck sandbox market maker').slice(-40)}`

/** One call of a transaction, as trace_block tells it: a third of the time that anvil takes for the receipts. */
interface Trace {
  transactionHash: Hex
  blockNumber: number
  /** Empty for the transaction itself. */
  traceAddress: number[]
  error?: string
}

interface Sent {
  what: string
  hash: Promise<Hex>
}

/**
 * Sends transactions without waiting: every address is known beforehand from the nonce, so that hundreds go into one
 * block, which `settle` mines.
 */
export class Deployer {
  readonly #rpc: Rpc
  readonly #artefacts: Artefacts
  readonly #sent: Sent[] = []
  /** By signature: reading one takes longer than encoding its arguments. */
  readonly #calls = new Map<string, FunctionFragment>()
  readonly #gasLimit: string
  #nonce: number

  private constructor(rpc: Rpc, artefacts: Artefacts, nonce: number, gasLimit: string) {
    this.#gasLimit = gasLimit
    this.#rpc = rpc
    this.#artefacts = artefacts
    this.#nonce = nonce
  }

  static async open(rpc: Rpc, artefacts: Artefacts): Promise<Deployer> {
    const [nonce, head] = await Promise.all([
      rpc.request<string>('eth_getTransactionCount', [MARKET_MAKER, 'latest']),
      rpc.request<{ gasLimit: string }>('eth_getBlockByNumber', ['latest', false]),
      rpc.request('anvil_impersonateAccount', [MARKET_MAKER]),
      rpc.request('anvil_setBalance', [MARKET_MAKER, toQuantity(10n ** 28n)]),
    ])
    return new Deployer(rpc, artefacts, Number(nonce), head.gasLimit)
  }

  /** @returns the address it will have */
  deploy(name: string, args: readonly unknown[] = [], libraries: Readonly<Record<string, Address>> = {}): Address {
    const at = address(getCreateAddress({ from: MARKET_MAKER, nonce: this.#nonce }))
    this.#send(name, { data: this.#artefacts.deployment(name, args, libraries) })
    return at
  }

  /** @param signature as Solidity writes it, without `function` */
  call(to: Address, signature: string, args: readonly unknown[], value = 0n): void {
    const call = this.#calls.get(signature) ?? FunctionFragment.from(`function ${signature}`)
    this.#calls.set(signature, call)
    const data = `${call.selector}${AbiCoder.defaultAbiCoder().encode(call.inputs, args).slice(2)}`
    this.#send(signature, { to, data, value: toQuantity(value) })
  }

  /**
   * Mines what was sent into one large block, and gives the block gas limit back as `open` found it. May be repeated.
   * @returns the number of the block that holds it all
   * @throws FleetError `internal` naming the first transaction that failed
   */
  async settle(): Promise<number> {
    const hashes = await Promise.all(this.#sent.map((sent) => sent.hash))
    await this.#rpc.request('evm_setBlockGasLimit', [toQuantity(DEPLOYMENT_GAS_LIMIT)])
    await this.#rpc.request('evm_mine', [])
    await this.#rpc.request('evm_setBlockGasLimit', [this.#gasLimit])
    const traces = await this.#rpc.request<Trace[]>('trace_block', ['latest'])
    // Top calls alone: what they call may fail and be dealt with.
    const ran = new Map(
      traces.filter((trace) => trace.traceAddress.length === 0).map((trace) => [trace.transactionHash, trace]),
    )
    hashes.forEach((hash, index) => {
      this.#check(this.#sent[index]?.what ?? '', ran.get(hash))
    })
    this.#sent.length = 0
    return traces[0]?.blockNumber ?? 0
  }

  #check(what: string, trace: Trace | undefined): void {
    if (trace !== undefined && trace.error === undefined) return
    throw new FleetError(
      'internal',
      `the sandbox could not make its market: ${what} ${trace ? `failed: ${trace.error}` : 'was not mined'}`,
      {
        remedy: 'This is a fault of arbdeck: report it with the version of anvil.',
      },
    )
  }

  #send(what: string, transaction: Record<string, string>): void {
    const hash = this.#rpc.request<Hex>('eth_sendTransaction', [
      {
        from: MARKET_MAKER,
        nonce: toQuantity(this.#nonce++),
        gas: toQuantity(TRANSACTION_GAS),
        gasPrice: toQuantity(GAS_PRICE),
        ...transaction,
      },
    ])
    hash.catch(() => undefined) // `settle` reports it
    this.#sent.push({ what, hash })
  }
}
