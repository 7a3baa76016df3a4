import { z } from 'zod'
import { FleetEventSchema } from '../protocol/event.ts'
import { CountsSchema, ProfileSchema, RoleNameSchema, ToolInfoSchema } from '../protocol/fleet.ts'
import { LedgerEntrySchema } from '../protocol/ledger.ts'
import { PlanLineSchema } from '../protocol/plan-line.ts'
import { AuditViewSchema, LogLineSchema, TaskViewSchema, TradeViewSchema } from '../protocol/records.ts'
import { Timestamp } from '../protocol/schemas.ts'
import { SnapshotSchema } from '../protocol/snapshot.ts'
import { OpportunitySchema } from '../protocol/trade.ts'

/** Longest line that either side takes. */
export const LINE_MAX = 16 * 1024 * 1024

const last = z.object({ last: z.int().min(0).max(10_000) })
const bounded = z.object({
  since: Timestamp.optional(),
  until: Timestamp.optional(),
  last: z.int().min(1).max(1_000),
})
const lastOf = last.extend({ id: z.string().optional() })
const scaling = z.object({
  changes: z.array(z.object({ role: RoleNameSchema, op: z.enum(['set', 'add']), count: z.int() })),
  profile: ProfileSchema.optional(),
})

/** Methods of FleetClient that answer once, as the control socket carries them: parameters and result. */
export const CALLS = {
  snapshot: { params: z.object({ usage: z.boolean().optional() }).optional(), result: SnapshotSchema },
  opportunities: { params: last, result: z.array(OpportunitySchema) },
  trades: { params: lastOf, result: z.array(TradeViewSchema) },
  tasks: { params: lastOf, result: z.array(TaskViewSchema) },
  audit: { params: last, result: z.array(AuditViewSchema) },
  ledger: { params: bounded, result: z.array(LedgerEntrySchema) },
  plan: { params: scaling, result: z.array(PlanLineSchema) },
  scale: { params: scaling, result: CountsSchema },
  halt: { params: z.string().nullable(), result: z.void() },
  resume: { params: z.undefined(), result: z.void() },
  restart: { params: z.string().nullable(), result: z.array(z.string()) },
  tools: { params: z.undefined(), result: z.array(ToolInfoSchema) },
  call: { params: z.object({ tool: z.string(), input: z.record(z.string(), z.unknown()) }), result: z.unknown() },
  end: { params: z.object({ remove: z.boolean(), volumes: z.boolean() }), result: z.void() },
} as const satisfies Record<string, { params: z.ZodType; result: z.ZodType }>
export type CallName = keyof typeof CALLS

/** Methods that stream until they are cancelled. */
export const STREAMS = {
  changes: { params: z.undefined(), item: z.void() },
  events: { params: z.object({ last: z.int().optional(), follow: z.boolean() }), item: FleetEventSchema },
  logs: {
    params: z.object({
      sources: z.array(z.string()),
      role: RoleNameSchema.optional(),
      follow: z.boolean(),
      tail: z.int(),
      since: z.string().optional(),
    }),
    item: LogLineSchema,
  },
} as const satisfies Record<string, { params: z.ZodType; item: z.ZodType }>
export type StreamName = keyof typeof STREAMS

/** One line from client to host: a request, or the cancelling of one. */
export const RequestSchema = z.union([
  z.object({ id: z.int(), method: z.string(), params: z.unknown().optional() }),
  z.object({ id: z.int(), cancel: z.literal(true) }),
])

/** One line from host to client. `item` lines come before the `done` of a stream. */
export const ReplySchema = z.union([
  z.object({
    id: z.int(),
    error: z.object({
      code: z.string(),
      message: z.string(),
      remedy: z.string(),
      cause: z.string().optional(),
      transient: z.boolean().optional(),
    }),
  }),
  z.object({ id: z.int(), item: z.unknown() }),
  z.object({ id: z.int(), done: z.literal(true), result: z.unknown().optional() }),
])
