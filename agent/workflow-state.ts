import { z } from 'zod'
import { HashSchema, Timestamp, WeiSchema } from '../src/protocol/schemas.ts'
import { StageSchema } from '../src/protocol/task.ts'
import {
  BuiltTxSchema,
  ExecutionSchema,
  InspectionSchema,
  OpportunitySchema,
  ReviewSchema,
  TradePlanSchema,
  VerdictSchema,
} from '../src/protocol/trade.ts'

/** How a workflow ended. */
export const EndSchema = z.object({
  state: z.enum(['executed', 'reverted', 'refused', 'expired', 'dry_run']),
  reason: z.string().nullable(),
  at: Timestamp,
})
export type End = z.infer<typeof EndSchema>

/**
 * One trade under way, at key `workflow/ID`. What it waits for is (stage, attempt, round): that triple only ever grows
 * in the order attempt, round, stage, so that a workflow ends after a bounded number of results.
 */
export const WorkflowSchema = z.object({
  id: HashSchema,
  chainInstance: z.string(),
  traceparent: z.string(),
  opportunity: OpportunitySchema,
  /** False: it ends after validation. */
  live: z.boolean(),
  expiresBlock: z.int(),
  stage: StageSchema,
  attempt: z.int().min(1),
  round: z.int().min(0),
  mends: z.int().min(0),
  /** taskId of the result that led here. */
  applied: z.string().nullable(),
  inspection: InspectionSchema.nullable(),
  plan: TradePlanSchema.nullable(),
  built: BuiltTxSchema.nullable(),
  verdict: VerdictSchema.nullable(),
  execution: ExecutionSchema.nullable(),
  /** The last execution that is in a block, with the verdict that promised it: what review is about. */
  mined: z.object({ verdict: VerdictSchema, execution: ExecutionSchema }).nullable(),
  review: ReviewSchema.nullable(),
  /** Gas of all attempts. */
  gasWei: WeiSchema,
  /** Why it went the way it did: the last result that was not `ok`. */
  reason: z.string().nullable(),
  startedAt: Timestamp,
  /** Every result that was applied, in order: when its work began, and how long it took. */
  timeline: z
    .array(z.object({ stage: StageSchema, attempt: z.int(), startedAt: Timestamp, ms: z.number() }))
    .default([]),
  ended: EndSchema.nullable(),
})
export type Workflow = z.output<typeof WorkflowSchema>
