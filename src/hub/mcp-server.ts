import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type ServerResult,
} from '@modelcontextprotocol/sdk/types.js'
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv-provider.js'
import { documentOf } from '../mcp/results.ts'
import { asFleetError } from '../protocol/errors.ts'
import type { ToolInfo } from '../protocol/fleet.ts'
import type { Gateway } from './gateway.ts'

/** One for all sessions: it is costly to make, and the hub asks clients for nothing that it would check. */
const validator = new AjvJsonSchemaValidator()
const CLIENT_NAME_CHARS = 60

/** The gateway, to one MCP client. */
export function gatewayServer(gateway: Gateway, version: string): Server {
  const server = new Server(
    { name: 'arbdeck-hub', version },
    {
      capabilities: { tools: { listChanged: true } },
      instructions: 'The tools of a fleet of flash-loan arbitrage agents, named role__tool.',
      jsonSchemaValidator: validator,
    },
  )
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: listOf(gateway) }) as ServerResult)
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
    const progressToken = params._meta?.progressToken
    return gateway.call({
      name: params.name,
      args: params.arguments ?? {},
      by: `operator (${server.getClientVersion()?.name.slice(0, CLIENT_NAME_CHARS) ?? 'unnamed client'})`,
      signal: extra.signal,
      ...(progressToken !== undefined && {
        onProgress: (progress) => {
          if (extra.signal.aborted) return
          const told = { method: 'notifications/progress' as const, params: { ...progress, progressToken } }
          // The caller may have left: then nobody is there to be told.
          extra.sendNotification(told).catch(() => undefined)
        },
      }),
    })
  })
  return server
}

/** @throws McpError that carries the ErrorDocument, so that clients of ours can tell what is wrong */
function listOf(gateway: Gateway): ToolInfo[] {
  try {
    return gateway.tools()
  } catch (thrown) {
    const error = asFleetError(thrown)
    throw new McpError(ErrorCode.InternalError, error.message, documentOf(error))
  }
}
