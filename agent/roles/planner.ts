import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { keys } from '../../src/protocol/keys.ts'
import type { StageInput } from '../../src/protocol/task.ts'
import { type Opportunity, type TradePlan, TradePlanSchema } from '../../src/protocol/trade.ts'
import { type Hex, type Raw, raw } from '../../src/protocol/units.ts'
import { knownHead } from '../chain-access.ts'
import type { Role, RoleContext, StageResult, StageTask } from '../role.ts'
import { blocksMs, lockPools } from './pool-locks.ts'

/** The first planner to write it decides for all that come later, so that a task delivered twice has one answer. Key `claim/ID`. */
const ClaimSchema = z.object({ planner: z.string(), plan: TradePlanSchema, refused: z.string().nullable() })
type Claim = z.output<typeof ClaimSchema>

/** A plan above it is refused. */
export const MAX_RISK = 80
const CLAIM_TTL_MS = 3_600_000
const LOCK_WAIT_MS = 300
const LOCK_LOOK_MS = 25

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
  const head = (await knownHead(memory, opportunity.chainInstance)) ?? opportunity.block
  if (head > expiresBlock) return { outcome: 'expired', reason: `block ${head} is past ${expiresBlock}` }
  const chain = await context.chain()
  const proposed = planFor(opportunity)
  const claim = await claimFirst(memory, {
    planner: context.id,
    plan: proposed,
    refused: refusal(input, proposed, chain.weth),
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
  for (let waitedMs = 0; ; waitedMs += LOCK_LOOK_MS) {
    const busy = await lock()
    if (busy === undefined || waitedMs >= LOCK_WAIT_MS) return busy
    await pause(LOCK_LOOK_MS)
  }
}

async function claimFirst(memory: SharedMemory, claim: Claim): Promise<Claim> {
  const key = keys.claim(claim.plan.opportunityId)
  const first = await memory.write(key, claim, { expect: 'absent', ttlMs: CLAIM_TTL_MS })
  if (first !== undefined) return claim
  return (await readAs(memory, key, ClaimSchema))?.value ?? claim
}

function refusal({ inspection }: StageInput['plan'], planned: TradePlan, weth: Hex | null): string | null {
  const unknown = inspection.contracts.find((contract) => !contract.known)
  if (unknown) return `${unknown.kind} ${unknown.address} has unknown code`
  if (planned.token !== weth) return `${planned.token} is not the wrapped native token: its worth in gas is not known`
  if (planned.riskScore > MAX_RISK) return `risk ${planned.riskScore} is above ${MAX_RISK}`
  if (planned.minProfitRaw > planned.expectedProfitRaw) {
    return `expected profit ${planned.expectedProfitRaw} is below the floor ${planned.minProfitRaw}`
  }
  return null
}

/** A function of the opportunity alone. */
export function planFor(opportunity: Opportunity): TradePlan {
  const { profitRaw, profitWei, gasWei } = opportunity
  return {
    opportunityId: opportunity.id,
    chainInstance: opportunity.chainInstance,
    attempt: 1,
    block: opportunity.block,
    token: opportunity.token,
    lender: opportunity.lender,
    hops: opportunity.hops,
    sizeRaw: opportunity.sizeRaw,
    expectedProfitRaw: profitRaw,
    minProfitRaw: floorRaw(profitRaw, profitWei === 0n ? 0n : ceilDiv(gasWei * profitRaw, profitWei)),
    riskScore: riskOf(opportunity),
    expiresBlock: opportunity.expiresBlock,
  }
}

/**
 * The least that a trade must keep to be worth sending: its expected gas, in the token's units, and a tenth of what
 * would be left above that, so that a price that moves against it costs gas only and never more.
 */
export function floorRaw(profitRaw: bigint, gasRaw: bigint): Raw {
  const net = profitRaw - gasRaw
  return raw(gasRaw + (net > 0n ? net / 10n : 0n))
}

const ceilDiv = (a: bigint, b: bigint): bigint => (a + b - 1n) / b

/** 15 for each hop above the two that a cycle needs, up to 50 as gas eats the profit, 20 for a V3 pool (its ticks may be crossed). */
export function riskOf({ hops, gasWei, profitWei }: Opportunity): number {
  const gasShare = profitWei > 0n ? Number((gasWei * 100n) / profitWei) : 100
  const v3 = hops.some((hop) => hop.kind === 'v3') ? 20 : 0
  return Math.min(100, 15 * (hops.length - 2) + Math.min(50, Math.round(gasShare / 2)) + v3)
}
