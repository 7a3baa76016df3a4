import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { McpEndpoint } from '../src/mcp/endpoint.ts'
import { closeServer, guard, listen, sendJson, sendRpcError, urlOf } from '../src/mcp/http.ts'
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

/** Tells a caller that asked for it. */
export type Progress = (done: number, total?: number, message?: string) => void

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

const CLOSE_GRACE_MS = 200

/**
 * Serves tools over MCP (Streamable HTTP, `/mcp`) to whoever has the token, and `GET /health` to anybody. The MCP library is
 * loaded at the first request that is let in: most agents are never called, and it is the largest thing that they would hold.
 * @throws FleetError `port_taken` without `fallback`; `config_invalid` when the token is empty
 */
export async function serveMcp(options: McpServerOptions): Promise<McpServing> {
  const refusal = guard(options.token)
  let opening: Promise<McpEndpoint> | undefined
  const endpoint = (): Promise<McpEndpoint> => {
    opening ??= import('./mcp-tools.ts').then(({ toolEndpoint }) => toolEndpoint(options))
    return opening
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split('?')[0]
    if (path === '/health' && request.method === 'GET') return sendJson(response, 200, { ok: true })
    if (path !== '/mcp') return sendRpcError(response, 404, 'Not found: the endpoint is /mcp')
    const refused = refusal(request)
    if (refused) return sendRpcError(response, refused.status, refused.why)
    await (await endpoint()).handle(request, response)
  }
  const http = createServer((request, response) => {
    handle(request, response).catch(() => sendRpcError(response, 500, 'Internal error'))
  })
  const port = await listen(http, { host: options.host, port: options.port, fallback: options.fallback ?? false })
  return {
    url: `${urlOf(options.host, port)}/mcp`,
    port,
    close: async () => {
      await (await opening?.catch(() => undefined))?.close()
      await closeServer(http, CLOSE_GRACE_MS)
    },
  }
}
