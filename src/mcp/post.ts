import { Agent, type IncomingMessage, request } from 'node:http'
import { isObject } from './results.ts'

/** A JSON-RPC message, unchecked. */
export type Message = Record<string, unknown>

/** How one HTTP request ended. `text` is the body of an answer with an error status. */
export type Posted =
  | { kind: 'done'; status: number; sessionId: string | undefined; text: string }
  | { kind: 'unsent'; why: string }
  | { kind: 'lost'; why: string }
  | { kind: 'aborted' }

export interface PostOptions {
  method: 'POST' | 'DELETE'
  pool: Agent
  headers: Record<string, string>
  body?: string
  signal: AbortSignal | undefined
  /** Hears each message of the answer as it comes; true: it was the last one of interest. */
  onMessage: (message: Message) => boolean
}

const IDLE_SOCKET_MS = 30_000
const MAX_ANSWER_CHARS = 16 * 1024 * 1024

/** Connections that are kept for the next request, shorter than the servers of `http.ts` keep theirs. */
export const poolOf = (): Agent => new Agent({ keepAlive: true, timeout: IDLE_SOCKET_MS })

/** Sends JSON and reads the answer, be it JSON or an event stream. Never throws. */
export function post(url: string, options: PostOptions): Promise<Posted> {
  const { method, pool, headers, body, signal, onMessage } = options
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve({ kind: 'aborted' })
    let connected = false
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const sent = request(url, { method, agent: pool, headers: { ...headers, ...length } })
    const abort = () => {
      resolve({ kind: 'aborted' })
      sent.destroy()
    }
    signal?.addEventListener('abort', abort, { once: true })
    const settle = (posted: Posted) => {
      signal?.removeEventListener('abort', abort)
      resolve(posted)
    }
    sent.on('socket', (socket) => {
      if (!socket.connecting) connected = true
      else socket.once('connect', () => (connected = true))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      // A refused connection to a name with several addresses has no message of its own.
      settle({ kind: connected ? 'lost' : 'unsent', why: error.message || String(error.code) })
    })
    sent.on('response', (response) => {
      read(response, onMessage).then(
        (text) => settle({ kind: 'done', ...statusOf(response), text }),
        (error: Error) => settle({ kind: 'lost', why: error.message }),
      )
    })
    sent.end(body)
  })
}

const statusOf = ({ statusCode, headers }: IncomingMessage): { status: number; sessionId: string | undefined } => {
  const id = headers['mcp-session-id']
  return { status: statusCode ?? 0, sessionId: typeof id === 'string' ? id : undefined }
}

/** Reads until the message of interest or the end; gives the text of an error answer. */
async function read(response: IncomingMessage, onMessage: (message: Message) => boolean): Promise<string> {
  response.setEncoding('utf8')
  const isStream = response.headers['content-type']?.startsWith('text/event-stream') ?? false
  let text = ''
  for await (const chunk of response.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    text += chunk
    if (text.length > MAX_ANSWER_CHARS) {
      response.destroy()
      throw new Error('the answer is longer than 16 MiB')
    }
    if (!isStream) continue
    const cut = text.lastIndexOf('\n\n')
    if (cut < 0) continue
    const found = messagesOf(text.slice(0, cut)).some(onMessage)
    text = text.slice(cut + 2)
    if (found) {
      response.resume()
      return ''
    }
  }
  if ((response.statusCode ?? 0) < 300 && !isStream && text !== '') onMessage(toMessage(text))
  return text
}

/** The messages of a run of whole server-sent events. */
function messagesOf(events: string): Message[] {
  return events.split('\n\n').flatMap((event) => {
    const lines = event.split('\n').filter((line) => line.startsWith('data:'))
    const data = lines.map((line) => line.slice(line[5] === ' ' ? 6 : 5)).join('\n')
    return data === '' ? [] : [toMessage(data)]
  })
}

function toMessage(text: string): Message {
  const json: unknown = JSON.parse(text)
  return isObject(json) ? json : {}
}
