import { id } from 'ethers'
import type { Hop, TradePlan } from '../../src/protocol/trade.ts'
import { type Address, type GasUnits, gasUnits, type Hex, type Raw, raw } from '../../src/protocol/units.ts'

/** The calls and the event of ArbExecutor, as bytes. */
const EXECUTE = id('execute(bytes32,uint256,address,address,uint256,uint256,uint256[])').slice(0, 10)
const EXECUTED = id('Executed(bytes32,address,uint256,uint256,uint256)')

const HEAD_WORDS = 7
const DEADLINE_WORD = 1
const FLOOR_WORD = 5
const KIND: Readonly<Record<Hop['kind'], bigint>> = { v2: 2n, v3: 3n }

const word = (value: bigint | number): string => value.toString(16).padStart(64, '0')

/**
 * The calldata that executes a plan: the loan, the hops in order and the floor `minProfitRaw`. The contract computes every
 * amount in between from the state that it meets.
 *
 * @param deadlineBlock last block in which it may run; 0 leaves it open: it reverts until `withDeadline` closes it
 */
export function encodeExecute(plan: TradePlan, deadlineBlock: number): Hex {
  const head = [
    plan.opportunityId.slice(2),
    word(deadlineBlock),
    word(BigInt(plan.lender.address)),
    word(BigInt(plan.token)),
    word(plan.sizeRaw),
    word(plan.minProfitRaw),
    word(HEAD_WORDS * 32),
  ]
  return `0x${EXECUTE.slice(2)}${head.join('')}${word(plan.hops.length)}${plan.hops.map(hopWord).join('')}`
}

/** Pool (bits 0-159), fee in pips (160-183), kind (184-191), zeroForOne (192). */
function hopWord(hop: Hop): string {
  const direction = hop.zeroForOne ? 1n << 192n : 0n
  return word(BigInt(hop.pool) | (BigInt(hop.feePips) << 160n) | (KIND[hop.kind] << 184n) | direction)
}

/** The same call with another deadline, and nothing else changed. */
export function withDeadline(calldata: Hex, deadlineBlock: number): Hex {
  return withWord(calldata, DEADLINE_WORD, BigInt(deadlineBlock))
}

/**
 * The same call with another profit floor. With what a simulation predicted as the floor, the trade pays at least that or
 * reverts: whoever trades before it can only cost it its gas.
 */
export function withFloor(calldata: Hex, minProfitRaw: Raw): Hex {
  return withWord(calldata, FLOOR_WORD, minProfitRaw)
}

function withWord(calldata: Hex, index: number, value: bigint): Hex {
  const at = EXECUTE.length + index * 64
  return `${calldata.slice(0, at)}${word(value)}${calldata.slice(at + 64)}` as Hex
}

/** What eth_call of the calldata gives: the profit, raw units of the loan token, before gas. */
export function decodeProfit(returned: Hex): Raw {
  return raw(BigInt(returned.slice(0, 66)))
}

/** A log as eth_getTransactionReceipt and eth_getLogs give it. */
export interface RawLog {
  address: string
  topics: readonly string[]
  data: string
}

export interface Executed {
  opportunityId: Hex
  token: Address
  sizeRaw: Raw
  premiumRaw: Raw
  /** What the contract kept, before gas. */
  profitRaw: Raw
}

/** What ArbExecutor says it did, from a transaction's logs; undefined when it is not among them. */
export function decodeExecuted(logs: readonly RawLog[], executor: Address): Executed | undefined {
  const log = logs.find((each) => each.topics[0] === EXECUTED && each.address.toLowerCase() === executor)
  if (log === undefined) return undefined
  const figure = (index: number): Raw => raw(BigInt(`0x${log.data.slice(2 + index * 64, 66 + index * 64)}`))
  return {
    opportunityId: log.topics[1] as Hex,
    token: `0x${(log.topics[2] ?? '').slice(-40).toLowerCase()}`,
    sizeRaw: figure(0),
    premiumRaw: figure(1),
    profitRaw: figure(2),
  }
}

/** Above what `execute` needs before refunds, ticks crossed included (test/unit/contracts/gas.test.ts holds it to that). */
const GAS_LIMIT = { base: 300_000n, v2: 100_000n, v3: 130_000n } as const

/** The gas limit to sign a trade over these hops with. What it burns is about half of it (agent/dex/gas.ts). */
export function executeGasLimit(hops: readonly Pick<Hop, 'kind'>[]): GasUnits {
  return gasUnits(hops.reduce<bigint>((sum, hop) => sum + GAS_LIMIT[hop.kind], GAS_LIMIT.base))
}
