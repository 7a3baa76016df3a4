import type { ChainInfo, Head } from '../../../src/protocol/chain.ts'
import type { Limits, Risk } from '../../../src/protocol/limits.ts'
import type { Inspection, TradePlan } from '../../../src/protocol/trade.ts'
import { exposureOf } from '../../dex/token-names.ts'
import { inToken } from '../chain-reads.ts'
import type { Rule } from './judge.ts'
import { tokenInWords } from './route-rules.ts'

export interface PlanFacts {
  plan: TradePlan
  inspection: Inspection
  chain: Pick<ChainInfo, 'weth' | 'tokens'>
  limits: Limits
  risk: Risk
  /** The newest block that the bot has worked through; null when none is known. */
  head: Pick<Head, 'number' | 'at'> | null
  nowMs: number
}

/** What a plan is refused for before its pools are locked. None of it asks the chain. */
export const PLAN_RULES: readonly Rule<PlanFacts>[] = [
  { name: 'knownCode', judge: unknownCode },
  { name: 'maxHeadAgeSeconds', judge: oldHead },
  { name: 'maxHeadLagBlocks', judge: oldPlan },
  { name: 'limits.tokens', judge: notLent },
  { name: 'maxInputRawPerTrade', judge: tooLarge },
  { name: 'maxScore', judge: tooRisky },
  { name: 'minProfit', judge: belowFloor },
]

function unknownCode({ inspection }: PlanFacts): string | null {
  const unknown = inspection.contracts.find((contract) => !contract.known)
  return unknown ? `${unknown.kind} ${unknown.address} has unknown code` : null
}

function oldHead({ head, limits, nowMs }: PlanFacts): string | null {
  if (head === null) return null
  const seconds = Math.floor((nowMs - Date.parse(head.at)) / 1_000)
  if (seconds <= limits.maxHeadAgeSeconds) return null
  return `the newest block known, ${head.number}, is ${seconds} s old, above ${limits.maxHeadAgeSeconds}`
}

function oldPlan({ plan, head, limits }: PlanFacts): string | null {
  const lag = (head?.number ?? plan.block) - plan.block
  if (lag <= limits.maxHeadLagBlocks) return null
  return `its amounts are of block ${plan.block}, ${lag} behind the head, above ${limits.maxHeadLagBlocks}`
}

function notLent({ plan, chain, limits }: PlanFacts): string | null {
  if (exposureOf(limits, chain, plan.token)) return null
  return `no limit is set for loans of ${tokenInWords(plan.token, chain.tokens)}`
}

function tooLarge({ plan, chain, limits }: PlanFacts): string | null {
  const most = exposureOf(limits, chain, plan.token)?.maxInputRawPerTrade
  return most !== undefined && plan.sizeRaw > most ? `the loan ${plan.sizeRaw} is above ${most}` : null
}

function tooRisky({ plan, risk }: PlanFacts): string | null {
  return plan.riskScore > risk.maxScore ? `the risk ${plan.riskScore} is above ${risk.maxScore}` : null
}

function belowFloor({ plan }: PlanFacts): string | null {
  const kept = plan.expectedProfitRaw - inToken(plan.tipWei ?? 0n, plan)
  return plan.minProfitRaw > kept ? `the expected profit ${kept} is below the floor ${plan.minProfitRaw}` : null
}
