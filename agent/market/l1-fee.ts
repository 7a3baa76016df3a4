import { id } from 'ethers'
import type { ChainInfo } from '../../src/protocol/chain.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import { type Hex, type Wei, wei } from '../../src/protocol/units.ts'
import { abiWord, word } from '../dex/chain-types.ts'
import type { Rpc } from '../dex/rpc.ts'

/** The GasPriceOracle of every OP-stack chain; this view came with Fjord. */
const ORACLE = '0x420000000000000000000000000000000000000f'
const UPPER_BOUND = id('getL1FeeUpperBound(uint256)').slice(0, 10)
/** L1 makes a block every 12 s, these chains one every 2 s. */
const EVERY_BLOCKS = 4
/** Of an unsigned transaction to ArbExecutor (agent/dex/trade/build.ts), compressed or not: envelope, selector, words. */
const bytesOf = (hops: number): number => 64 + 4 + 32 * (9 + 2 * hops)
const HOPS = [2, 3, 4] as const

/** What the data of a trade costs on L1, by its number of hops; nothing on chains that ask no such fee. */
export class L1Fee {
  readonly #rpc: Rpc
  readonly #asked: boolean
  readonly #log: (level: LogLevel, message: string) => void
  #fees = new Map<number, Wei>()
  #readAt = Number.NEGATIVE_INFINITY

  constructor({ rpc, chain, log }: { rpc: Rpc; chain: ChainInfo; log: (level: LogLevel, message: string) => void }) {
    this.#rpc = rpc
    this.#asked = chain.l1Fee === 'op_stack'
    this.#log = log
  }

  /** 0 where there is none, and before it was read. */
  readonly of = (hops: readonly unknown[]): Wei => this.#fees.get(hops.length) ?? wei(0n)

  /** Reads it again every few blocks. Never rejects: what could not be read keeps its old value. */
  async read(block: number, blockHash: Hex): Promise<void> {
    if (!this.#asked || (block >= this.#readAt && block - this.#readAt < EVERY_BLOCKS)) return
    this.#readAt = block
    try {
      const fees = await Promise.all(HOPS.map((hops) => this.#ask(bytesOf(hops), blockHash)))
      this.#fees = new Map(HOPS.map((hops, at) => [hops, fees[at] as Wei]))
    } catch (thrown) {
      this.#log('warn', `the fee for L1 data is not known: ${asFleetError(thrown).message}`)
    }
  }

  async #ask(bytes: number, blockHash: Hex): Promise<Wei> {
    const call = { to: ORACLE, data: UPPER_BOUND + abiWord(bytes) }
    return wei(word(await this.#rpc.request<Hex>('eth_call', [call, { blockHash }]), 0))
  }
}
