import { z } from 'zod'
import { decode, toJson } from '../src/protocol/json.ts'
import { AddressSchema, HashSchema, HexSchema } from '../src/protocol/schemas.ts'
import { OutcomeSchema, STAGE_INPUT, STAGE_OUTPUT, type Stage, type StageInput } from '../src/protocol/task.ts'
import type { McpTool } from './mcp.ts'
import { runStage, subjectOf } from './perform.ts'
import type { Role, RoleContext, RoleTool, StageHandler } from './role.ts'

type JsonSchema = Record<string, unknown>

const HEX_PATTERNS = new Map<unknown, string>([
  [AddressSchema, '^0x[0-9a-f]{40}$'],
  [HashSchema, '^0x[0-9a-f]{64}$'],
  [HexSchema, '^0x[0-9a-f]*$'],
])

/** JSON Schema of the wire shape: amounts are decimal strings, addresses and hashes lower-case hex. */
export function wireSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const pattern = HEX_PATTERNS.get(zodSchema)
      if (pattern !== undefined) Object.assign(jsonSchema, { type: 'string', pattern })
    },
  }) as JsonSchema
}

/** Every tool of a role: its stage, taking exactly what the stage takes from the bus, and what it has beside. */
export function toolsOf(role: Role, context: RoleContext): McpTool[] {
  const beside = role.tools.map((tool) => besideTool(tool, context))
  return role.stage ? [stageTool(role.stage, context), ...beside] : beside
}

function stageTool(handler: { [S in Stage]: StageHandler<S> }[Stage], context: RoleContext): McpTool {
  const { stage, tool } = handler
  const answer = z.object({
    outcome: OutcomeSchema,
    reason: z.string().nullable(),
    output: (STAGE_OUTPUT[stage] as z.ZodType).nullable(),
  })
  return {
    ...tool,
    inputSchema: wireSchema(STAGE_INPUT[stage]),
    outputSchema: wireSchema(answer),
    async call(args, signal) {
      const input = decode(STAGE_INPUT[stage], args, `the input of ${tool.name}`)
      const subject = subjectOf(stage, input as StageInput[typeof stage])
      const { outcome, reason, output } = await runStage(handler, { input, ...subject, signal }, context)
      return { outcome, reason: reason ?? null, output: toJson(output) ?? null }
    },
  }
}

function besideTool(tool: RoleTool, context: RoleContext): McpTool {
  return {
    name: tool.name,
    description: tool.description,
    inputSchema: wireSchema(tool.input),
    async call(args) {
      const input = decode(tool.input, args, `the input of ${tool.name}`)
      return toJson(await tool.run(input, context))
    },
  }
}
