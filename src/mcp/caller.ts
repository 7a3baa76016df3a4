import type { Agent } from 'node:http'
import { type Message, type Posted, poolOf, post } from './post.ts'
import { isObject } from './results.ts'

const PROTOCOL_VERSION = '2025-11-25'
const OPEN_MS = 5_000
/** For messages whose answer nobody waits for. */
const ASIDE_MS = 2_000

/** How a request to an MCP server ended. Only `unsent` and `refused` promise that nothing ran. */
export type Reply =
  | { kind: 'result'; result: Record<string, unknown> }
  /** The server's JSON-RPC error. */
  | { kind: 'error'; code: number; message: string; data: unknown }
  /** The server would not serve it: its HTTP status. */
  | { kind: 'refused'; status: number; why: string }
  /** No connection came about. */
  | { kind: 'unsent'; why: string }
  /** The connection ended before the answer: it may have run. */
  | { kind: 'lost'; why: string }
  /** The signal aborted; the server was told. */
  | { kind: 'aborted' }

export interface RequestOptions {
  signal?: AbortSignal
  onProgress?: (progress: { progress: number; total?: number; message?: string }) => void
}

/**
 * A client of one MCP server, without the SDK's checks: a sixth of their cost on the path of every call. Opens its
 * session at the first request, and anew when the server has forgotten it. Never throws.
 */
export interface McpCaller {
  request(method: string, params: Record<string, unknown>, options?: RequestOptions): Promise<Reply>
  /** Ends the session, if the server still answers, and the connections. */
  close(): Promise<void>
}

export interface CallerOptions {
  /** http://HOST:PORT/mcp */
  url: string
  token: string
  /** How it introduces itself. */
  name: string
  version: string
}

type Opened = { kind: 'open'; sessionId: string | undefined } | Exclude<Reply, { kind: 'result' }>

export function openCaller({ url, token, name, version }: CallerOptions): McpCaller {
  const pool = poolOf()
  let session: Promise<Opened> | undefined
  let lastId = 0

  const send = (message: object, sessionId: string | undefined, options: SendOptions = {}): Promise<Posted> =>
    post(url, {
      method: 'POST',
      pool,
      headers: headersOf(token, sessionId),
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
      signal: options.signal,
      onMessage: options.onMessage ?? (() => false),
    })

  const ask = async (
    method: string,
    params: Record<string, unknown>,
    sessionId: string | undefined,
    { signal, onProgress }: RequestOptions,
  ): Promise<Reply & { sessionId?: string | undefined }> => {
    lastId += 1
    const id = lastId
    const meta = onProgress && { _meta: { ...(isObject(params._meta) && params._meta), progressToken: id } }
    let answer: Message | undefined
    const posted = await send({ id, method, params: { ...params, ...meta } }, sessionId, {
      signal,
      onMessage: (message) => {
        if (message.method === 'notifications/progress') onProgress?.(message.params as never)
        else if (message.id === id && message.method === undefined) answer = message
        return answer !== undefined
      },
    })
    if (answer !== undefined)
      return { ...replyOf(answer), sessionId: posted.kind === 'done' ? posted.sessionId : undefined }
    if (posted.kind === 'aborted' && sessionId !== undefined) {
      const cancelled = { method: 'notifications/cancelled', params: { requestId: id, reason: 'the caller cancelled' } }
      void send(cancelled, sessionId, { signal: AbortSignal.timeout(ASIDE_MS) })
    }
    if (posted.kind !== 'done') return posted
    if (posted.status < 300) return { kind: 'lost', why: 'the answer ended before the result' }
    return { kind: 'refused', status: posted.status, why: posted.text.slice(0, 300) }
  }

  const open = async (): Promise<Opened> => {
    const params = { protocolVersion: PROTOCOL_VERSION, capabilities: {}, clientInfo: { name, version } }
    const signal = AbortSignal.timeout(OPEN_MS)
    const reply = await ask('initialize', params, undefined, { signal })
    if (reply.kind === 'aborted') return { kind: 'unsent', why: `no session within ${OPEN_MS} ms` }
    if (reply.kind !== 'result') return reply
    const { sessionId } = reply
    await send({ method: 'notifications/initialized' }, sessionId, { signal })
    return { kind: 'open', sessionId }
  }
  /** The session, opened by whoever comes first; one that did not open is tried again by the next. */
  const opened = async (): Promise<Opened> => {
    session ??= open()
    const mine = session
    const result = await mine
    if (result.kind !== 'open' && session === mine) session = undefined
    return result
  }

  const attempt = async (method: string, params: Record<string, unknown>, options: RequestOptions): Promise<Reply> => {
    const mine = await opened()
    if (mine.kind !== 'open') return mine.kind === 'lost' ? { ...mine, kind: 'unsent' } : mine
    if (options.signal?.aborted) return { kind: 'aborted' }
    const used = session
    const reply = await ask(method, params, mine.sessionId, options)
    if (reply.kind === 'refused' && reply.status === 404 && session === used) session = undefined
    return reply
  }

  return {
    request: async (method, params, options = {}) => {
      const reply = await attempt(method, params, options)
      const forgotten = reply.kind === 'refused' && reply.status === 404
      return forgotten ? attempt(method, params, options) : reply
    },
    close: async () => {
      const mine = await session
      session = undefined
      if (mine?.kind === 'open' && mine.sessionId !== undefined)
        await leave(url, pool, headersOf(token, mine.sessionId))
      pool.destroy()
    },
  }
}

interface SendOptions {
  signal?: AbortSignal | undefined
  onMessage?: (message: Message) => boolean
}

const leave = (url: string, pool: Agent, headers: Record<string, string>): Promise<Posted> =>
  post(url, { method: 'DELETE', pool, headers, signal: AbortSignal.timeout(ASIDE_MS), onMessage: () => false })

const headersOf = (token: string, sessionId: string | undefined): Record<string, string> => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': PROTOCOL_VERSION,
  ...(sessionId !== undefined && { 'mcp-session-id': sessionId }),
})

function replyOf(answer: Message): Reply {
  if (isObject(answer.result)) return { kind: 'result', result: answer.result }
  const { code, message, data } = isObject(answer.error) ? answer.error : {}
  return {
    kind: 'error',
    code: typeof code === 'number' ? code : -32603,
    // The SDK puts the code before the text, again on each way through.
    message:
      typeof message === 'string'
        ? message.replace(/^(MCP error -?\d+: )+/, '')
        : 'an answer without result and without error',
    data,
  }
}
