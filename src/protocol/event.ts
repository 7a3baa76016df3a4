import { z } from 'zod'
import { AgentStateSchema, CountsSchema, ProfileSchema, RoleNameSchema } from './fleet.ts'
import { HashSchema, Timestamp, WeiSchema } from './schemas.ts'
import { OutcomeSchema, StageSchema } from './task.ts'
import { ExecutionSchema } from './trade.ts'

const at = { at: Timestamp }
const ExecutionStatusSchema = ExecutionSchema.shape.status

/** Everything the feed can say: the stream `events`, and what `up --json` and `events --json` print, a line each. */
export const FleetEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('service'), ...at, name: z.string(), state: z.string(), note: z.string().optional() }),
  z.object({
    type: z.literal('agent'),
    ...at,
    id: z.string(),
    role: RoleNameSchema,
    state: AgentStateSchema,
    note: z.string().optional(),
  }),
  z.object({
    type: z.literal('opportunity'),
    ...at,
    id: HashSchema,
    profitWei: WeiSchema,
    block: z.int(),
    route: z.string(),
    sizeRaw: z.string(),
  }),
  z.object({
    type: z.literal('trade'),
    ...at,
    id: HashSchema,
    stage: StageSchema,
    outcome: OutcomeSchema,
    attempt: z.int(),
    agent: z.string(),
    reason: z.string().nullable(),
    ms: z.number(),
  }),
  z.object({
    type: z.literal('execution'),
    ...at,
    id: HashSchema,
    tx: HashSchema,
    block: z.int(),
    profitWei: WeiSchema,
    predictedWei: WeiSchema,
    gasWei: WeiSchema,
    exact: z.boolean(),
  }),
  /** The chain took back, moved or belatedly mined what had been told before: these figures stand now. */
  z.object({
    type: z.literal('execution_corrected'),
    ...at,
    id: HashSchema,
    attempt: z.int(),
    /** From 1, or 0 where the trade itself was lost before it was counted; with id and attempt it names the correction. */
    correction: z.int(),
    was: ExecutionStatusSchema,
    status: ExecutionStatusSchema,
    tx: HashSchema.nullable(),
    block: z.int().nullable(),
    profitWei: WeiSchema,
    gasWei: WeiSchema,
    /** What is to be added to the figures of before. */
    profitDeltaWei: WeiSchema,
    gasDeltaWei: WeiSchema,
    reason: z.string().nullable(),
  }),
  z.object({ type: z.literal('scale'), ...at, counts: CountsSchema, profile: ProfileSchema, by: z.string() }),
  z.object({
    type: z.literal('autoscale'),
    ...at,
    role: RoleNameSchema,
    from: z.int(),
    to: z.int(),
    /** The rule, its limit and what was measured, in words. */
    cause: z.string(),
  }),
  z.object({
    type: z.literal('step'),
    ...at,
    kind: z.enum(['start', 'stop', 'remove', 'replace']),
    id: z.string(),
    cause: z.string(),
  }),
  /** A unit ended, could not be started, or was found ill. */
  z.object({
    type: z.literal('failure'),
    ...at,
    id: z.string(),
    cause: z.string(),
    /** What it logged last, oldest first. */
    lines: z.array(z.string()),
    /** Failures in a row. */
    count: z.int(),
    /** Until it is started again. */
    waitMs: z.number(),
  }),
  z.object({ type: z.literal('halt'), ...at, set: z.boolean(), reason: z.string().nullable(), by: z.string() }),
  z.object({ type: z.literal('chain'), ...at, chainInstance: z.string(), chainId: z.int(), state: z.string() }),
  z.object({
    type: z.literal('note'),
    ...at,
    level: z.enum(['info', 'warn', 'error']),
    from: z.string(),
    message: z.string(),
  }),
])
export type FleetEvent = z.infer<typeof FleetEventSchema>
/** An event before it is given its time. */
export type NewFleetEvent = FleetEvent extends infer E ? (E extends FleetEvent ? Omit<E, 'at'> : never) : never

export const SummarySchema = z.object({
  type: z.literal('summary'),
  ...at,
  until: z.string().nullable(),
  held: z.boolean(),
  ms: z.number(),
  executed: z.int(),
  opportunities: z.int(),
  profitWei: WeiSchema,
})
export type Summary = z.infer<typeof SummarySchema>
