import { id } from 'ethers'
import type { Hop, Lender, TradePlan } from '../../../src/protocol/trade.ts'
import {
  type Address,
  type GasUnits,
  gasUnits,
  type Hex,
  type Raw,
  raw,
  type Wei,
  wei,
} from '../../../src/protocol/units.ts'
import { abiWord, word } from '../chain-types.ts'

/** The call and the event of ArbExecutor, as bytes. */
const EXECUTE = id('execute(bytes32,uint256,uint256,address,uint256,uint256,uint256,uint256[])').slice(0, 10)
const EXECUTED = id('Executed(bytes32,address,uint256,uint256,uint256,uint256)')

const HEAD_WORDS = 8
const WORDS_A_HOP = 2
const DEADLINE_WORD = 1
const FLOOR_WORD = 5
const PIPS_A_BP = 100n
/** The contract's numbers for kinds of pool and of lender. */
const POOL: Readonly<Record<Hop['kind'], bigint>> = { v2: 2n, v3: 3n, v4: 4n }
const LENDER: Readonly<Record<Lender['kind'], bigint>> = {
  own: 0n,
  aave_v3: 1n,
  balancer_v2: 2n,
  uniswap_v3: 3n,
  uniswap_v2: 4n,
  // Only ever the first hop's own manager, whose kind the contract does not ask for; elsewhere it refuses this number.
  uniswap_v4: 5n,
}

/**
 * The calldata that executes a plan: the loan, the hops in order, the tip and the floor `minProfitRaw`, which holds after
 * premium and tip. The contract computes every amount in between from the state that it meets.
 *
 * @param deadlineBlock last block in which it may run; 0 leaves it open: it reverts until `withDeadline` closes it
 */
export function encodeExecute(plan: TradePlan, deadlineBlock: number): Hex {
  const words = [
    BigInt(plan.opportunityId),
    deadlineBlock,
    lenderWord(plan.lender),
    BigInt(plan.token),
    plan.sizeRaw,
    plan.minProfitRaw,
    plan.tipWei ?? 0n,
    HEAD_WORDS * 32,
    plan.hops.length * WORDS_A_HOP,
    ...plan.hops.flatMap(hopWords),
  ]
  return `0x${EXECUTE.slice(2)}${words.map(abiWord).join('')}`
}

/** Address (bits 0-159), kind (160-167), fee in pips (168-191). */
const lenderWord = ({ address, kind, premiumBps }: Lender): bigint =>
  BigInt(address) | (LENDER[kind] << 160n) | ((BigInt(premiumBps) * PIPS_A_BP) << 168n)

/** Pool or V4 manager (bits 0-159), fee in pips (160-183), kind (184-191), zeroForOne (192), tick spacing (193-216); tokenOut. */
function hopWords({ pool, kind, feePips, zeroForOne, tokenOut, v4 }: Hop): [bigint, bigint] {
  const place = BigInt(v4?.manager ?? pool) | (BigInt(feePips) << 160n) | (POOL[kind] << 184n)
  const way = (zeroForOne ? 1n << 192n : 0n) | (BigInt(v4?.tickSpacing ?? 0) << 193n)
  return [place | way, BigInt(tokenOut)]
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
  return `${calldata.slice(0, at)}${abiWord(value)}${calldata.slice(at + 64)}` as Hex
}

/** What eth_call of the calldata gives: the profit after premium and tip, raw units of the loan's token, before gas. */
export function decodeProfit(returned: Hex): Raw {
  return raw(word(returned, 0))
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
  /** What the block's builder was paid, out of the trade. */
  tipWei: Wei
  /** What the owner was sent: after premium and tip, before gas. */
  profitRaw: Raw
}

/** What ArbExecutor says it did, from a transaction's logs; undefined when it is not among them. */
export function decodeExecuted(logs: readonly RawLog[], executor: Address): Executed | undefined {
  const log = logs.find((each) => each.topics[0] === EXECUTED && each.address.toLowerCase() === executor)
  if (log === undefined) return undefined
  return {
    opportunityId: log.topics[1] as Hex,
    token: `0x${(log.topics[2] ?? '').slice(-40).toLowerCase()}`,
    sizeRaw: raw(word(log.data, 0)),
    premiumRaw: raw(word(log.data, 1)),
    tipWei: wei(word(log.data, 2)),
    profitRaw: raw(word(log.data, 3)),
  }
}

/** Above what `execute` needs before refunds, ticks crossed included (test/unit/contracts/gas.test.ts holds it to that). */
const LIMIT_OF_HOP: Readonly<Record<Hop['kind'], bigint>> = { v2: 100_000n, v3: 150_000n, v4: 170_000n }
const LIMIT_OF_LOAN: Readonly<Record<Lender['kind'], bigint>> = {
  own: 180_000n,
  aave_v3: 330_000n,
  balancer_v2: 230_000n,
  uniswap_v3: 250_000n,
  uniswap_v2: 250_000n,
  uniswap_v4: 250_000n,
}

/**
 * The gas limit to sign a trade with. What it burns is about half of it (agent/dex/lending/gas-of-trade.ts).
 * @param lender absent: whoever costs most
 */
export function executeGasLimit(
  hops: readonly Pick<Hop, 'kind'>[],
  lender: Pick<Lender, 'kind'> = { kind: 'aave_v3' },
): GasUnits {
  return gasUnits(hops.reduce<bigint>((sum, hop) => sum + LIMIT_OF_HOP[hop.kind], LIMIT_OF_LOAN[lender.kind]))
}
