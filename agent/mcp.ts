import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
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
import { mcpEndpoint } from '../src/mcp/endpoint.ts'
import { closeServer, guard, listen, sendJson, sendRpcError, urlOf } from '../src/mcp/http.ts'
import { toErrorResult, toResult } from '../src/mcp/results.ts'
import { asFleetError, FleetError } from '../src/protocol/errors.ts'
import type { ToolInfo } from '../src/protocol/fleet.ts'

/** A tool as it is served. `inputSchema` and `outputSchema` are JSON Schema objects (`type: 'object'`). */
export interface McpTool extends ToolInfo {
  /**
   * @param args checked against inputSchema
   * @param signal aborts when the caller cancelled or left
   * @param progress tells a caller that asked for it; `done` must grow
   * @returns JSON (bigints become decimal strings); an object when there is an outputSchema. What it throws becomes a
   * result that says so: FleetError with its code, anything else as `internal`
   */
  call(args: Record<string, unknown>, signal: AbortSignal, progress: Progress): Promise<unknown>
}

type Progress = (done: number, total?: number, message?: string) => void

export interface McpServerOptions {
  /** What it calls itself, such as `executor-1`. */
  name: string
  version: string
  /** 127.0.0.1, or 0.0.0.0 in a container. */
  host: string
  port: number
  /** Take a free port when this one is taken. */
  fallback?: boolean
  token: string
  tools: readonly McpTool[]
}

export interface McpServing {
  /** Of the MCP endpoint, as this machine reaches it: with host 0.0.0.0 others put their own name for it. */
  url: string
  port: number
  /** Cancels calls in hand and ends open sockets. */
  close(): Promise<void>
}

const MAX_SESSIONS = 64
const SESSION_IDLE_MS = 10 * 60_000
const CLOSE_GRACE_MS = 200

/**
 * Serves tools over MCP (Streamable HTTP, `/mcp`) to whoever has the token, and `GET /health` to anybody.
 * @throws FleetError `port_taken` without `fallback`; `config_invalid` when the token is empty or a schema is no schema
 */
export async function serveMcp(options: McpServerOptions): Promise<McpServing> {
  const refusal = guard(options.token)
  const toolbox = openToolbox(options.tools)
  const endpoint = mcpEndpoint({
    serve: () => serverOf(options, toolbox),
    maxSessions: MAX_SESSIONS,
    idleMs: SESSION_IDLE_MS,
  })

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split('?')[0]
    if (path === '/health' && request.method === 'GET') return sendJson(response, 200, { ok: true })
    if (path !== '/mcp') return sendRpcError(response, 404, 'Not found: the endpoint is /mcp')
    const refused = refusal(request)
    if (refused) return sendRpcError(response, refused.status, refused.why)
    await endpoint.handle(request, response)
  }
  const http = createServer((request, response) => {
    handle(request, response).catch(() => sendRpcError(response, 500, 'Internal error'))
  })
  const port = await listen(http, { host: options.host, port: options.port, fallback: options.fallback ?? false })
  return {
    url: `${urlOf(options.host, port)}/mcp`,
    port,
    close: async () => {
      await endpoint.close()
      await closeServer(http, CLOSE_GRACE_MS)
    },
  }
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

function serverOf({ name, version }: McpServerOptions, toolbox: Toolbox): Server {
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
