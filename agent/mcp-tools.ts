import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type ServerResult,
} from '@modelcontextprotocol/sdk/types.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv-provider.js'
import type { JsonSchemaType } from '@modelcontextprotocol/sdk/validation/types.js'
import { type McpEndpoint, mcpEndpoint } from '../src/mcp/endpoint.ts'
import { toErrorResult, toResult } from '../src/mcp/results.ts'
import { asFleetError, FleetError } from '../src/protocol/errors.ts'
import type { ToolInfo } from '../src/protocol/fleet.ts'
import type { McpServerOptions, McpTool, Progress } from './mcp.ts'

const MAX_SESSIONS = 64
const SESSION_IDLE_MS = 10 * 60_000

/**
 * An agent's tools as one MCP endpoint.
 * @throws Error when a tool's schema is no schema
 */
export function toolEndpoint(options: Pick<McpServerOptions, 'name' | 'version' | 'tools'>): McpEndpoint {
  const toolbox = openToolbox(options.tools)
  return mcpEndpoint({
    serve: () => serverOf(options, toolbox),
    maxSessions: MAX_SESSIONS,
    idleMs: SESSION_IDLE_MS,
  })
}

/** What the sessions share: the list, and each tool with the check of its input, compiled once. */
interface Toolbox {
  list: ToolInfo[]
  byName: Map<string, { tool: McpTool; check: (args: unknown) => string | undefined }>
  validator: AjvJsonSchemaValidator
}

function openToolbox(tools: readonly McpTool[]): Toolbox {
  const validator = new AjvJsonSchemaValidator()
  const byName: Toolbox['byName'] = new Map()
  for (const tool of tools) {
    const validate = validator.getValidator(tool.inputSchema as JsonSchemaType)
    byName.set(tool.name, { tool, check: (args) => validate(args).errorMessage })
  }
  const list = tools.map(({ name, description, inputSchema, outputSchema }) => ({
    name,
    description,
    inputSchema,
    ...(outputSchema && { outputSchema }),
  }))
  return { list, byName, validator }
}

function serverOf({ name, version }: Pick<McpServerOptions, 'name' | 'version'>, toolbox: Toolbox): Server {
  const server = new Server({ name, version }, { capabilities: { tools: {} }, jsonSchemaValidator: toolbox.validator })
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: toolbox.list }) as ServerResult)
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const progressToken = params._meta?.progressToken
    const progress: Progress = (done, total, message) => {
      if (progressToken === undefined || extra.signal.aborted) return
      const said = { progressToken, progress: done, ...(total !== undefined && { total }), ...(message && { message }) }
      // The caller may have left: then nobody is there to be told.
      extra.sendNotification({ method: 'notifications/progress', params: said }).catch(() => undefined)
    }
    return callTool(toolbox, params.name, params.arguments ?? {}, extra.signal, progress)
  })
  return server
}

async function callTool(
  toolbox: Toolbox,
  name: string,
  args: Record<string, unknown>,
  signal: AbortSignal,
  progress: Progress,
): Promise<CallToolResult> {
  const found = toolbox.byName.get(name)
  if (found === undefined) throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${name}`)
  const fault = found.check(args)
  if (fault !== undefined) {
    return toErrorResult(
      new FleetError('usage', `${name} does not take this: ${fault}`, {
        remedy: 'Give what its inputSchema asks for; arbdeck tools --json prints it.',
      }),
    )
  }
  try {
    return toResult(await found.tool.call(args, signal, progress))
  } catch (thrown) {
    return toErrorResult(asFleetError(thrown))
  }
}
