import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { HeadSchema } from '../../src/protocol/chain.ts'
import { keys } from '../../src/protocol/keys.ts'
import { type Opportunity, type TradePlan, TradePlanSchema } from '../../src/protocol/trade.ts'
import { type Hex, type Raw, raw } from '../../src/protocol/units.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { inToken } from './chain-reads.ts'
import { blocksMs, lockPools } from './pool-locks.ts'
import { refusalBy } from './risk/judge.ts'
import { PLAN_RULES } from './risk/plan-rules.ts'

/** The first planner to write it decides for all that come later, so that a task delivered twice has one answer. Key `claim/ID`. */
const ClaimSchema = z.object({ planner: z.string(), plan: TradePlanSchema, refused: z.string().nullable() })
type Claim = z.output<typeof ClaimSchema>

const CLAIM_TTL_MS = 3_600_000
const LOCK_WAIT_MS = 300
/** Often at first, while the end of the last trade is on its way. */
const LOCK_LOOK_MS = { first: 3, later: 25, firstFor: 30 } as const

export function planner(): Role {
  return {
    name: 'planner',
    stage: {
      stage: 'plan',
      tool: {
        name: 'plan_trade',
        description: 'Claims an inspected opportunity, locks its pools and gives the plan, or says why not.',
      },
      run: plan,
    },
    tools: [],
  }
}

async function plan(
  { input, opportunityId, expiresBlock }: StageTask<'plan'>,
  context: RoleContext,
): Promise<StageResult<'plan'>> {
  const { memory } = context
  const { opportunity } = input
  const newest = (await readAs(memory, keys.head, HeadSchema))?.value
  const known = newest?.chainInstance === opportunity.chainInstance ? newest : null
  const head = known?.number ?? opportunity.block
  if (head > expiresBlock) return { outcome: 'expired', reason: `block ${head} is past ${expiresBlock}` }
  const chain = await context.chain()
  const proposed = planFor(opportunity)
  const claim = await claimFirst(memory, {
    planner: context.id,
    plan: proposed,
    refused: refusalBy(PLAN_RULES, {
      plan: proposed,
      inspection: input.inspection,
      chain,
      limits: context.limits,
      risk: context.risk,
      head: known,
      nowMs: Date.now(),
    }),
  })
  if (claim.refused !== null) return { outcome: 'refused', reason: claim.refused }
  const lockMs = blocksMs(chain, expiresBlock - head + 2)
  const busy = await lockSoon(() => lockPools(memory, opportunityId, opportunity, lockMs))
  if (busy === undefined) return { outcome: 'ok', output: claim.plan }
  const reason = `pool ${busy} is used by another live plan`
  await memory.write(keys.claim(opportunityId), { ...claim, refused: reason }, { ttlMs: CLAIM_TTL_MS })
  return { outcome: 'refused', reason }
}

/**
 * A trade of the last block may hold the pools: it was executed in the very block that this opportunity was found in, and
 * is just being told so. What is still held after a moment is held by a plan that lives.
 * @returns the pool that stayed busy
 */
async function lockSoon(lock: () => Promise<Hex | undefined>): Promise<Hex | undefined> {
  const { first, later, firstFor } = LOCK_LOOK_MS
  for (let waitedMs = 0; ; ) {
    const busy = await lock()
    if (busy === undefined || waitedMs >= LOCK_WAIT_MS) return busy
    const waitMs = waitedMs < firstFor ? first : later
    await pause(waitMs)
    waitedMs += waitMs
  }
}

async function claimFirst(memory: SharedMemory, claim: Claim): Promise<Claim> {
  const key = keys.claim(claim.plan.opportunityId)
  const first = await memory.write(key, claim, { expect: 'absent', ttlMs: CLAIM_TTL_MS })
  if (first !== undefined) return claim
  return (await readAs(memory, key, ClaimSchema))?.value ?? claim
}

/** A function of the opportunity alone. */
export function planFor(opportunity: Opportunity): TradePlan {
  const { profitRaw, profitWei, gasWei, tipWei } = opportunity
  const rate = { expectedProfitRaw: profitRaw, expectedProfitWei: profitWei }
  return {
    opportunityId: opportunity.id,
    chainInstance: opportunity.chainInstance,
    attempt: 1,
    block: opportunity.block,
    token: opportunity.token,
    lender: opportunity.lender,
    hops: opportunity.hops,
    sizeRaw: opportunity.sizeRaw,
    ...rate,
    ...(tipWei !== undefined && { tipWei }),
    minProfitRaw: floorRaw(profitRaw, inToken(gasWei, rate), inToken(tipWei ?? 0n, rate)),
    riskScore: riskOf(opportunity),
    expiresBlock: opportunity.expiresBlock,
  }
}

/**
 * The least that a trade must keep to be worth sending, after the tip: its expected gas, in the token's units, and a tenth
 * of what would be left above that, so that a price that moves against it costs gas only and never more.
 */
export function floorRaw(profitRaw: bigint, gasRaw: bigint, tipRaw = 0n): Raw {
  const net = profitRaw - tipRaw - gasRaw
  return raw(gasRaw + (net > 0n ? net / 10n : 0n))
}

/**
 * 0 to 100: 15 for each hop above the two that a cycle needs, up to 50 as costs eat the profit, 20 where ticks may be crossed
 * (V3, V4), 5 where the loan is asked of somebody who is not on the route.
 */
export function riskOf({ hops, lender, gasWei, tipWei, profitWei }: Opportunity): number {
  const costShare = profitWei > 0n ? Number(((gasWei + (tipWei ?? 0n)) * 100n) / profitWei) : 100
  const ticks = hops.some((hop) => hop.kind !== 'v2') ? 20 : 0
  const outside = lender.kind === 'own' || hops.some((hop) => hop.pool === lender.address) ? 0 : 5
  return Math.min(100, 15 * (hops.length - 2) + Math.min(50, Math.round(costShare / 2)) + ticks + outside)
}
