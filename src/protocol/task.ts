import { z } from 'zod'
import type { RoleName } from './fleet.ts'
import { HashSchema, Timestamp } from './schemas.ts'
import {
  BuiltTxSchema,
  ExecutionSchema,
  InspectionSchema,
  OpportunitySchema,
  ReviewSchema,
  TradePlanSchema,
  VerdictSchema,
} from './trade.ts'

export const STAGES = ['inspect', 'plan', 'build', 'validate', 'execute', 'mend', 'review'] as const
export const StageSchema = z.enum(STAGES)
export type Stage = z.infer<typeof StageSchema>

export const STAGE_ROLE = {
  inspect: 'code_indexer',
  plan: 'planner',
  build: 'builder',
  validate: 'test_writer',
  execute: 'executor',
  mend: 'fixer',
  review: 'reviewer',
} as const satisfies Record<Stage, RoleName>

/** What each stage takes. */
export const STAGE_INPUT = {
  inspect: OpportunitySchema,
  plan: z.object({ opportunity: OpportunitySchema, inspection: InspectionSchema }),
  build: TradePlanSchema,
  validate: BuiltTxSchema,
  execute: VerdictSchema,
  mend: z.object({ plan: TradePlanSchema, verdict: VerdictSchema.nullable(), execution: ExecutionSchema.nullable() }),
  review: z.object({ verdict: VerdictSchema, execution: ExecutionSchema }),
} as const satisfies Record<Stage, z.ZodType>
export type StageInput = { [S in Stage]: z.output<(typeof STAGE_INPUT)[S]> }

/** What each stage gives when its outcome is `ok`. */
export const STAGE_OUTPUT = {
  inspect: InspectionSchema,
  plan: TradePlanSchema,
  build: BuiltTxSchema,
  validate: VerdictSchema,
  execute: ExecutionSchema,
  mend: TradePlanSchema,
  review: ReviewSchema,
} as const satisfies Record<Stage, z.ZodType>
export type StageOutput = { [S in Stage]: z.output<(typeof STAGE_OUTPUT)[S]> }

/**
 * How a stage ended. `ok` carries its output. `refused`: a rule says no, and which. `failed`: the trade is not good as it
 * is (a simulation below the floor, a revert): it may be mended; it carries its output too. `stale`: the head moved on:
 * validate again, no mend. `expired`: past expiresBlock.
 */
export const OutcomeSchema = z.enum(['ok', 'refused', 'failed', 'stale', 'expired'])
export type Outcome = z.infer<typeof OutcomeSchema>

const envelope = {
  taskId: z.string(),
  workflowId: HashSchema,
  opportunityId: HashSchema,
  chainInstance: z.string(),
  stage: StageSchema,
  attempt: z.int().min(1),
  /** Raised by one each time validate is asked again for the same attempt. */
  round: z.int().min(0),
  expiresBlock: z.int(),
  traceparent: z.string(),
}

export const TaskSchema = z.object({ kind: z.literal('task'), ...envelope, payload: z.unknown() })
export type Task = z.infer<typeof TaskSchema>

export const TaskResultSchema = z.object({
  kind: z.literal('result'),
  ...envelope,
  agent: z.string(),
  outcome: OutcomeSchema,
  reason: z.string().nullable(),
  payload: z.unknown(),
  startedAt: Timestamp,
  ms: z.number(),
})
export type TaskResult = z.infer<typeof TaskResultSchema>

/** The bot to the coordinators. */
export const FoundSchema = z.object({
  kind: z.literal('opportunity'),
  opportunity: OpportunitySchema,
  traceparent: z.string(),
})

/** All that travels on the bus; a queue a role: tasks to the stage's role, the rest to `coordinator`. */
export const BusMessageSchema = z.discriminatedUnion('kind', [TaskSchema, TaskResultSchema, FoundSchema])
export type BusMessage = z.infer<typeof BusMessageSchema>

/** Idempotency key of a task: the bus delivers at least once. */
export const taskIdOf = (t: { workflowId: string; stage: Stage; attempt: number; round: number }): string =>
  `${t.workflowId}/${t.stage}/${t.attempt}/${t.round}`

export const stageRole = (stage: Stage): RoleName => STAGE_ROLE[stage]

/** Roles that take messages: those of the stages, and who moves trades from stage to stage. */
export const QUEUE_ROLES: readonly RoleName[] = [...new Set<RoleName>([...Object.values(STAGE_ROLE), 'coordinator'])]
