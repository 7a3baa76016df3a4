import { z } from 'zod'
import { FleetEventSchema } from './event.ts'
import { LedgerEntrySchema } from './ledger.ts'
import { HashSchema, Timestamp, WeiSchema } from './schemas.ts'
import { OutcomeSchema, StageSchema } from './task.ts'
import { HopSchema, LenderSchema } from './trade.ts'

export const TradeStateSchema = z.enum(['running', 'executed', 'reverted', 'refused', 'expired', 'dry_run'])

/** One trade from opportunity to review, as `trades` shows it. */
export const TradeViewSchema = z.object({
  id: HashSchema,
  chainInstance: z.string(),
  state: TradeStateSchema,
  stage: StageSchema,
  attempt: z.int(),
  block: z.int(),
  route: z.string(),
  hops: z.array(HopSchema),
  lender: LenderSchema.optional(),
  sizeRaw: z.string(),
  expectedWei: WeiSchema,
  predictedWei: WeiSchema.nullable(),
  profitWei: WeiSchema.nullable(),
  gasWei: WeiSchema.nullable(),
  exact: z.boolean().nullable(),
  tx: HashSchema.nullable(),
  reason: z.string().nullable(),
  startedAt: Timestamp,
  endedAt: Timestamp.nullable(),
})
export type TradeView = z.infer<typeof TradeViewSchema>

/** One task that an agent finished. */
export const TaskViewSchema = z.object({
  id: z.string(),
  tradeId: HashSchema,
  stage: StageSchema,
  agent: z.string(),
  attempt: z.int(),
  outcome: OutcomeSchema,
  reason: z.string().nullable(),
  startedAt: Timestamp,
  ms: z.number(),
})
export type TaskView = z.infer<typeof TaskViewSchema>

/** Who changed what: every command that changes the fleet, and every tool call through the hub. */
export const AuditViewSchema = z.object({
  id: z.string(),
  at: Timestamp,
  by: z.string(),
  action: z.string(),
  target: z.string(),
  outcome: z.enum(['ok', 'refused', 'failed']),
  detail: z.string().nullable(),
})
export type AuditView = z.infer<typeof AuditViewSchema>

/** What history keeps: append only; appending the same `id` of the same `kind` again changes nothing. */
export const HistoryRecordSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('trade'), id: z.string(), at: Timestamp, body: TradeViewSchema }),
  z.object({ kind: z.literal('task'), id: z.string(), at: Timestamp, body: TaskViewSchema }),
  z.object({ kind: z.literal('event'), id: z.string(), at: Timestamp, body: FleetEventSchema }),
  z.object({ kind: z.literal('audit'), id: z.string(), at: Timestamp, body: AuditViewSchema }),
  z.object({ kind: z.literal('ledger'), id: z.string(), at: Timestamp, body: LedgerEntrySchema }),
])
export type HistoryRecord = z.infer<typeof HistoryRecordSchema>
export type RecordKind = HistoryRecord['kind']

/** One line that a process wrote. */
export const LogLineSchema = z.object({
  at: Timestamp,
  /** `executor-1`, `hub`, `redis`. */
  source: z.string(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  message: z.string(),
})
export type LogLine = z.infer<typeof LogLineSchema>
export type LogLevel = LogLine['level']
