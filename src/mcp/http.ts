import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FleetError } from '../protocol/errors.ts'
import { stringify } from '../protocol/json.ts'

/** Largest request body that is read. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024
/** Idle connections of clients are kept longer than `caller.ts` keeps its own, so that no request meets a closing one. */
const KEEP_ALIVE_MS = 65_000

/** Why a request is not served, as HTTP says it. */
export interface Refusal {
  status: 401 | 403
  why: string
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Who may be served: a request that a foreign web page caused (`Origin` other than loopback) gets 403, one without the
 * bearer token 401. The token is compared in constant time.
 */
export function guard(token: string): (request: IncomingMessage) => Refusal | undefined {
  if (token === '') {
    throw new FleetError('config_invalid', 'the token that guards this port is empty', {
      remedy: 'Take the fleet down and up again, which writes new tokens.',
    })
  }
  const wanted = sha256(token)
  return (request) => {
    if (!isLoopback(request.headers.origin)) return { status: 403, why: 'requests of web pages are not served' }
    const [, given] = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? []
    if (given === undefined || !timingSafeEqual(sha256(given), wanted)) {
      return { status: 401, why: 'a bearer token is needed, and this is not it' }
    }
    return undefined
  }
}

function isLoopback(origin: string | undefined): boolean {
  if (origin === undefined) return true
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  return url !== undefined && LOOPBACK.has(url.hostname)
}

/** Answers with JSON, once; an answer that has begun is left alone. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent) return
  const text = stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  })
  response.end(text)
}

/** Answers as JSON-RPC does when no request can be named; 401 tells which scheme is wanted. */
export function sendRpcError(response: ServerResponse, status: number, message: string): void {
  const headers: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer realm="arbdeck"' } : {}
  const code = status === 404 ? -32001 : -32000
  sendJson(response, status, { jsonrpc: '2.0', error: { code, message }, id: null }, headers)
}

/**
 * The request's JSON body.
 * @returns undefined when it is longer than `limit` bytes, then the connection ends with the answer
 * @throws SyntaxError when it is not JSON
 */
export async function readJson(request: IncomingMessage, limit = BODY_LIMIT_BYTES): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  // Leaving the loop must not destroy the socket: the refusal still has to go out on it.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > limit) return undefined
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

export interface ListenOptions {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Take a free port when this one is taken. */
  fallback: boolean
}

/**
 * @returns the port that it listens on
 * @throws FleetError `port_taken`
 */
export async function listen(server: Server, { host, port, fallback }: ListenOptions): Promise<number> {
  server.keepAliveTimeout = KEEP_ALIVE_MS
  try {
    await once(server, host, port)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    if (!fallback) {
      throw new FleetError('port_taken', `port ${port} on ${host} is taken`, { remedy: 'Choose another port.', cause })
    }
    await once(server, host, 0)
  }
  return (server.address() as AddressInfo).port
}

function once(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Takes no new connection, gives requests in hand `graceMs` to end, then ends every socket. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearTimeout(timer)
}

/** Where a client on this machine reaches a server that listens on `host`. */
export const urlOf = (host: string, port: number): string =>
  `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`
