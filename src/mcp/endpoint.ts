import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js'
import { readJson, sendRpcError } from './http.ts'

export interface EndpointOptions {
  /** A fresh server for one session. */
  serve(): Server
  /** Above this many the one that is idle longest ends; when none is idle, new ones get 503. */
  maxSessions: number
  /** A session without a request for so long ends. */
  idleMs: number
}

interface Session {
  server: Server
  transport: StreamableHTTPServerTransport
  /** Requests that are being answered. */
  open: number
  /** Milliseconds, monotonic. */
  usedAt: number
}

/**
 * One MCP endpoint, Streamable HTTP as of 2025-11-25, with sessions. Who may be served is decided before (`guard`).
 * Answers are event streams: progress travels with its call, and cancelling needs the session.
 */
export interface McpEndpoint {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** The servers of the sessions that are open. */
  servers(): Server[]
  close(): Promise<void>
}

export function mcpEndpoint({ serve, maxSessions, idleMs }: EndpointOptions): McpEndpoint {
  const sessions = new Map<string, Session>()

  const end = async (id: string): Promise<void> => {
    const session = sessions.get(id)
    sessions.delete(id)
    await session?.server.close()
  }
  const idlest = (): string | undefined => {
    const idle = [...sessions].filter(([, session]) => session.open === 0)
    return idle.sort(([, a], [, b]) => a.usedAt - b.usedAt)[0]?.[0]
  }
  const sweep = setInterval(
    () => {
      const before = performance.now() - idleMs
      for (const [id, session] of sessions) if (session.open === 0 && session.usedAt < before) void end(id)
    },
    Math.min(idleMs, 30_000),
  ).unref()

  const answer = async (session: Session, request: IncomingMessage, response: ServerResponse, body?: unknown) => {
    session.open += 1
    response.once('close', () => {
      session.open -= 1
      session.usedAt = performance.now()
    })
    await session.transport.handleRequest(request, response, body)
  }

  const begin = async (request: IncomingMessage, response: ServerResponse, body: unknown) => {
    const full = sessions.size >= maxSessions ? idlest() : undefined
    if (full !== undefined) await end(full)
    if (sessions.size >= maxSessions) return sendRpcError(response, 503, `all ${maxSessions} sessions are in use`)
    const server = serve()
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, session),
      onsessionclosed: (id) => void sessions.delete(id),
    })
    const session: Session = { server, transport, open: 0, usedAt: performance.now() }
    // The SDK's own transport does not fit its interface under exactOptionalPropertyTypes.
    await server.connect(transport as unknown as Transport)
    await answer(session, request, response, body)
    if (transport.sessionId === undefined) await server.close()
  }

  const route = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request, response)
    if (body === undefined) return
    const id = request.headers['mcp-session-id']
    if (typeof id === 'string') {
      const session = sessions.get(id)
      if (session === undefined) return sendRpcError(response, 404, 'Session not found')
      return answer(session, request, response, body.json)
    }
    if (isInitializeRequest(body.json)) return begin(request, response, body.json)
    sendRpcError(response, 400, 'Bad Request: Mcp-Session-Id header is required')
  }

  return {
    handle: route,
    servers: () => [...sessions.values()].map((session) => session.server),
    close: async () => {
      clearInterval(sweep)
      await Promise.all([...sessions.keys()].map(end))
    },
  }
}

/** The body of a POST, nothing of a GET or DELETE; undefined when it was refused and answered. */
async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
): Promise<{ json: unknown | undefined } | undefined> {
  if (request.method === 'GET' || request.method === 'DELETE') return { json: undefined }
  if (request.method !== 'POST') {
    response.setHeader('allow', 'GET, POST, DELETE')
    sendRpcError(response, 405, 'Method not allowed.')
    return undefined
  }
  try {
    const json = await readJson(request)
    if (json !== undefined) return { json }
    response.setHeader('connection', 'close')
    sendRpcError(response, 413, 'Payload Too Large')
  } catch {
    sendRpcError(response, 400, 'Parse error: the body is not JSON')
  }
  return undefined
}
