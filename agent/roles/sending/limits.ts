import type { ChainInfo } from '../../../src/protocol/chain.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import type { Verdict } from '../../../src/protocol/trade.ts'
import { exposureOf } from '../../dex/token-names.ts'
import { type Account, failuresInARow, lossOf } from './account.ts'

/** All that the rules where the key is look at. */
export interface Situation {
  verdict: Verdict
  limits: Limits
  chain: Pick<ChainInfo, 'weth' | 'tokens'>
  /** The newest block of the node that is sent to: its number, its time in seconds, the fee that is paid in it per gas. */
  head: { number: number; timestamp: number; feePerGasWei: bigint }
  nowMs: number
  /** Of the key that would sign. */
  account: Account
  /** `at` of the halt record that stands. */
  under: string | null
}

type Rule = (situation: Situation) => string | undefined

/** In the order in which they are asked. */
const RULES: readonly Rule[] = [
  oldHead,
  laggingState,
  unknownToken,
  largeInput,
  muchGas,
  highFee,
  unpaidGas,
  dayOfLosses,
  failures,
]

/** Why a verdict may not be signed: the first rule that says no, by its name in the limits, with its figures. */
export function limitBroken(situation: Situation): string | undefined {
  for (const rule of RULES) {
    const broken = rule(situation)
    if (broken !== undefined) return broken
  }
  return undefined
}

function oldHead({ head, nowMs, limits: { maxHeadAgeSeconds: max } }: Situation): string | undefined {
  const seconds = Math.floor(nowMs / 1_000) - head.timestamp
  if (seconds <= max) return undefined
  return `limit maxHeadAgeSeconds: block ${head.number} is ${seconds} s old, above ${max}`
}

function laggingState({ verdict, head, limits: { maxHeadLagBlocks: max } }: Situation): string | undefined {
  const lag = head.number - verdict.validatedBlock
  if (lag <= max) return undefined
  return `limit maxHeadLagBlocks: block ${verdict.validatedBlock}, which it was validated on, is ${lag} behind, above ${max}`
}

function unknownToken({ verdict, limits, chain }: Situation): string | undefined {
  const { token } = verdict.tx.plan
  if (exposureOf(limits, chain, token)) return undefined
  return `limit tokens: ${token} is not one that may be borrowed`
}

function largeInput({ verdict, limits, chain }: Situation): string | undefined {
  const { token, sizeRaw } = verdict.tx.plan
  const max = exposureOf(limits, chain, token)?.maxInputRawPerTrade ?? 0n
  if (sizeRaw <= max) return undefined
  return `limit maxInputRawPerTrade: the loan ${sizeRaw} is above ${max}`
}

function muchGas({ verdict, limits: { maxGasPerTrade: max } }: Situation): string | undefined {
  const { gasLimit } = verdict.tx
  return gasLimit > max ? `limit maxGasPerTrade: the gas limit ${gasLimit} is above ${max}` : undefined
}

function highFee({ head, limits: { maxFeePerGasWei: max } }: Situation): string | undefined {
  if (head.feePerGasWei <= max) return undefined
  return `limit maxFeePerGasWei: gas costs ${head.feePerGasWei}, above ${max}`
}

function unpaidGas({ verdict, head }: Situation): string | undefined {
  const gasWei = verdict.gasUsed * head.feePerGasWei
  if (verdict.predictedWei > gasWei) return undefined
  return `limit profit: ${verdict.predictedWei} wei does not pay ${verdict.gasUsed} gas at ${head.feePerGasWei}, ${gasWei}`
}

function dayOfLosses({ account, nowMs, limits: { maxLossWeiPerDay: max } }: Situation): string | undefined {
  const loss = lossOf(account, new Date(nowMs).toISOString().slice(0, 10))
  if (loss < max) return undefined
  return `limit maxLossWeiPerDay: ${loss} lost today, at or above ${max}`
}

function failures({ account, under, limits: { maxFailuresInARow: max } }: Situation): string | undefined {
  const count = failuresInARow(account, under)
  if (count < max) return undefined
  return `limit maxFailuresInARow: ${count} trades reverted one after another, at or above ${max}; arbdeck resume ends it`
}
