import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport, SseError } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  ErrorCode,
  McpError,
  ResultSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { McpCaller, Reply, RequestOptions } from '../mcp/caller.ts'
import type { ImageRole } from '../protocol/role-spec.ts'
import { fetchWithin } from './fetch-within.ts'

const OPEN_MS = 3_000
/** Who asks decides how long it waits, by its signal. */
const NO_LIMIT_MS = 2 ** 31 - 1
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

export interface ImageLinkOptions {
  url: string
  transport: ImageRole['transport']
  /** How the hub introduces itself. */
  version: string
  onToolsChanged: () => void
}

/**
 * The hub's one session with one replica of an image: what speaks for it and what calls its tools share it, because servers
 * that take a single session are common. No token is sent. Opens when it is first asked, and anew when the server forgot it.
 */
export class ImageLink implements McpCaller {
  readonly #options: ImageLinkOptions
  #opening: Promise<Client> | undefined

  constructor(options: ImageLinkOptions) {
    this.#options = options
  }

  async request(method: string, params: Record<string, unknown>, options: RequestOptions = {}): Promise<Reply> {
    const reply = await this.#attempt(method, params, options)
    const forgotten = reply.kind === 'refused' && (reply.status === 404 || reply.status === 400)
    if (!forgotten) return reply
    await this.close()
    return this.#attempt(method, params, options)
  }

  /** Ends the session as far as we are concerned; who waits for an answer is told that it is lost. */
  async close(): Promise<void> {
    const opening = this.#opening
    this.#opening = undefined
    await opening?.then((client) => client.close()).catch(() => undefined)
  }

  async #attempt(method: string, params: Record<string, unknown>, options: RequestOptions): Promise<Reply> {
    const { signal, onProgress } = options
    if (signal?.aborted) return { kind: 'aborted' }
    let client: Client
    try {
      client = await this.#opened()
    } catch (thrown) {
      const reply = replyOf(thrown, signal)
      return reply.kind === 'refused' || reply.kind === 'aborted' ? reply : { kind: 'unsent', why: wordsOf(reply) }
    }
    try {
      const result = await client.request({ method, params }, ResultSchema, {
        timeout: NO_LIMIT_MS,
        ...(signal && { signal }),
        ...(onProgress && { onprogress: onProgress as never }),
      })
      return { kind: 'result', result }
    } catch (thrown) {
      return replyOf(thrown, signal)
    }
  }

  #opened(): Promise<Client> {
    if (this.#opening) return this.#opening
    const opening = this.#open()
    this.#opening = opening
    const drop = () => {
      if (this.#opening === opening) this.#opening = undefined
    }
    opening.then((client) => (client.onclose = drop), drop)
    return opening
  }

  async #open(): Promise<Client> {
    const { transport, version, onToolsChanged } = this.#options
    const url = new URL(this.#options.url)
    const client = new Client({ name: 'arbdeck-hub', version })
    client.setNotificationHandler(ToolListChangedNotificationSchema, onToolsChanged)
    const options = { fetch: fetchWithin(MAX_ANSWER_BYTES) }
    const made =
      transport === 'sse' ? new SSEClientTransport(url, options) : new StreamableHTTPClientTransport(url, options)
    // A stream that broke comes back as another session, which nobody has opened: better to begin anew.
    client.onerror = (error) => void (error instanceof SseError && client.close())
    try {
      // The SDK's own transports do not fit its interface under exactOptionalPropertyTypes.
      await within(OPEN_MS, client.connect(made as Transport, { timeout: OPEN_MS }))
    } catch (thrown) {
      await client.close().catch(() => undefined)
      throw thrown
    }
    return client
  }
}

/** @throws Error when it takes longer; what it waits for is left to itself */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no MCP session within ${ms} ms`)), ms)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const UNSENT = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT/

/** What a failed request was, in the words of `Reply`. */
function replyOf(thrown: unknown, signal: AbortSignal | undefined): Exclude<Reply, { kind: 'result' }> {
  if (signal?.aborted) return { kind: 'aborted' }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  if (error instanceof McpError && error.code !== ErrorCode.ConnectionClosed) {
    const message = error.message.replace(/^(MCP error -?\d+: )+/, '')
    return { kind: 'error', code: error.code, message, data: error.data }
  }
  const status = statusOf(error)
  if (status !== undefined) return { kind: 'refused', status, why: error.message.slice(0, 300) }
  const why = causeOf(error)
  return { kind: UNSENT.test(why) ? 'unsent' : 'lost', why }
}

function statusOf(error: Error): number | undefined {
  const code = error instanceof StreamableHTTPError || error instanceof SseError ? error.code : undefined
  const said = code ?? Number(/\(HTTP (\d{3})\)/.exec(error.message)?.[1])
  return said >= 100 && said < 600 ? said : undefined
}

/** fetch hides why it failed in the cause of its error, and of several addresses in the errors of that. */
function causeOf(error: Error): string {
  const cause = error.cause as (NodeJS.ErrnoException & { errors?: Error[] }) | undefined
  const inner = cause?.errors?.[0] ?? cause
  return inner?.message || cause?.code || error.message
}

/** Why there is no answer, for people. */
export function wordsOf(reply: Exclude<Reply, { kind: 'result' }>): string {
  switch (reply.kind) {
    case 'error':
      return `it answers with the error ${reply.code}: ${reply.message}`
    case 'refused':
      return `it answers HTTP ${reply.status}: ${reply.why}`
    case 'aborted':
      return 'it does not answer in time'
    default:
      return reply.why
  }
}
