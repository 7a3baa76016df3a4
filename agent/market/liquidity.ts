import { basesOf, type ChainInfo } from '../../src/protocol/chain.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { Lender } from '../../src/protocol/trade.ts'
import type { Address, Hex, Raw } from '../../src/protocol/units.ts'
import { lenderLiquidity } from '../dex/lending/lender-liquidity.ts'
import type { Rpc } from '../dex/rpc.ts'
import { lendingKey } from '../dex/search/terms.ts'

const EVERY_BLOCKS = 16

interface Question {
  lender: Lender
  token: Address
}

/** What every lender can lend of every base token. It changes slowly: loans are paid back in the block that takes them. */
export class Liquidity {
  readonly #rpc: Rpc
  readonly #log: (level: LogLevel, message: string) => void
  readonly #questions: Question[]
  #known: ReadonlyMap<string, Raw> = new Map()
  #readAt = Number.NEGATIVE_INFINITY

  constructor({ chain, rpc, log }: { chain: ChainInfo; rpc: Rpc; log: (level: LogLevel, message: string) => void }) {
    this.#rpc = rpc
    this.#log = log
    this.#questions = chain.lenders.flatMap((lender) =>
      basesOf(chain).flatMap((token) => (lender.tokens?.includes(token) === false ? [] : [{ lender, token }])),
    )
  }

  /** By `lendingKey`, raw units; what was never read is absent. Another map when something changed. */
  get known(): ReadonlyMap<string, Raw> {
    return this.#known
  }

  /** Reads it again every 16 blocks. Never rejects: what could not be read keeps its old value. */
  async read(block: number, blockHash: Hex): Promise<void> {
    if (block >= this.#readAt && block - this.#readAt < EVERY_BLOCKS) return
    this.#readAt = block
    const next = new Map(this.#known)
    await Promise.all(this.#questions.map((question) => this.#readOne(question, blockHash, next)))
    const changed = [...next].some(([key, amount]) => this.#known.get(key) !== amount)
    if (changed) this.#known = next
  }

  async #readOne({ lender, token }: Question, blockHash: Hex, into: Map<string, Raw>): Promise<void> {
    try {
      into.set(lendingKey(lender.address, token), await lenderLiquidity(this.#rpc, lender, token, blockHash))
    } catch (thrown) {
      const why = asFleetError(thrown).message
      this.#log('warn', `what ${lender.kind} ${lender.address} can lend of ${token} is not known: ${why}`)
    }
  }
}
