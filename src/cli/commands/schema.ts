import { z } from 'zod'
import { DeploymentSchema } from '../../protocol/deployment.ts'
import { FleetError } from '../../protocol/errors.ts'
import { FleetEventSchema, SummarySchema } from '../../protocol/event.ts'
import { FileLockViewSchema } from '../../protocol/file-lock.ts'
import { CountsSchema, ToolInfoSchema } from '../../protocol/fleet.ts'
import { LedgerSchema } from '../../protocol/ledger.ts'
import { manifestSchema } from '../../protocol/manifest-schema.ts'
import { nearest } from '../../protocol/nearest.ts'
import { QuoteLineSchema, ScanSchema } from '../../protocol/offline.ts'
import { PlanLineSchema } from '../../protocol/plan-line.ts'
import { AuditViewSchema, LogLineSchema, TaskViewSchema, TradeViewSchema } from '../../protocol/records.ts'
import { Timestamp } from '../../protocol/schemas.ts'
import { AgentViewSchema, StatusSchema } from '../../protocol/snapshot.ts'
import { OpportunitySchema } from '../../protocol/trade.ts'
import { type Command, textOf } from '../command.ts'

const halt = z.object({ halt: z.object({ set: z.boolean(), reason: z.string().nullable() }) })
const ended = z.object({ fleet: z.string(), ended: z.enum(['stop', 'down']), volumes: z.boolean() })

/** Of `status --plan` and `up --dry-run`. */
const plan = z.object({ plan: z.array(PlanLineSchema) })

const streamEnd = z.object({ type: z.literal('summary'), at: Timestamp, lines: z.int() })

/** What each command prints with `--json`: one document, or one of these a line. */
const SHAPES: Record<string, z.ZodType> = {
  up: z.union([FleetEventSchema, SummarySchema, plan]),
  status: StatusSchema,
  plan,
  ps: z.object({ agents: z.array(AgentViewSchema) }),
  scale: z.union([z.object({ counts: CountsSchema }), FleetEventSchema]),
  logs: z.union([LogLineSchema.extend({ type: z.literal('log') }), streamEnd]),
  opportunities: z.union([z.object({ opportunities: z.array(OpportunitySchema) }), FleetEventSchema, streamEnd]),
  trades: z.object({ trades: z.array(TradeViewSchema) }),
  tasks: z.object({ tasks: z.array(TaskViewSchema) }),
  events: z.union([z.object({ events: z.array(FleetEventSchema) }), FleetEventSchema, streamEnd]),
  audit: z.object({ audit: z.array(AuditViewSchema) }),
  ledger: LedgerSchema,
  locks: z.object({ locks: z.array(FileLockViewSchema) }),
  tools: z.object({ tools: z.array(ToolInfoSchema) }),
  call: z.unknown(),
  restart: z.object({ restarted: z.array(z.string()) }),
  halt,
  resume: halt,
  stop: ended,
  down: ended,
  check: z.object({
    prerequisites: z.array(
      z.object({
        name: z.string(),
        state: z.enum(['ok', 'warn', 'fail']),
        detail: z.string(),
        remedy: z.string().nullable(),
      }),
    ),
  }),
  build: z.object({ images: z.array(z.string()) }),
  generate: z.object({ files: z.array(z.object({ file: z.string(), state: z.enum(['current', 'written']) })) }),
  scan: ScanSchema,
  quote: QuoteLineSchema,
  'deploy-executor': z.object({ deployment: DeploymentSchema }),
}

export const schemaCommand: Command = {
  name: 'schema [command]',
  describe: 'the JSON Schema of what a command prints with --json; of the fleet manifest: schema manifest',
  positionals: (yargs) => yargs.positional('command', { type: 'string', describe: 'nothing: all of them' }),
  run: async (context, argv) => {
    const name = textOf(argv, 'command')
    const jsonSchema = (shape: z.ZodType) => z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' })
    if (name === 'manifest') {
      const schema = manifestSchema()
      context.out.document(schema, () => JSON.stringify(schema, null, 2))
      return 0
    }
    if (name !== undefined && !Object.hasOwn(SHAPES, name)) {
      const guess = nearest(name, [...Object.keys(SHAPES), 'manifest'])
      throw new FleetError('usage', `there is no schema for ${name}`, {
        remedy: guess ? `Did you mean ${guess}?` : `There is one for ${Object.keys(SHAPES).join(', ')}.`,
      })
    }
    const shape = name === undefined ? undefined : SHAPES[name]
    const schema = shape
      ? jsonSchema(shape)
      : Object.fromEntries(Object.entries(SHAPES).map(([key, value]) => [key, jsonSchema(value)]))
    context.out.document(schema, () => JSON.stringify(schema, null, 2))
    return 0
  },
}
