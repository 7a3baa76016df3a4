import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Rpc } from '../rpc.ts'
import { type Answer, RpcError, unreachableNode } from './error.ts'
import { pollHeads } from './heads.ts'
import { reason } from './link.ts'

const KEEP_ALIVE = { keepAlive: true, maxSockets: 16 } as const

/** JSON-RPC over kept-alive HTTP connections. Resolves when the node has answered once. */
export async function openHttp(name: string, url: string, timeoutMs: number, pollMs: number): Promise<Rpc> {
  const secure = url.startsWith('https:')
  const agent = secure ? new HttpsAgent(KEEP_ALIVE) : new HttpAgent(KEEP_ALIVE)
  const stops = new Set<() => void>()
  let nextId = 1
  let closed = false

  const post = (body: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const call = (secure ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(timeoutMs),
      })
      call.on('response', (response) => textOf(response).then(resolve, reject))
      call.on('error', reject)
      call.end(body)
    })

  const request = async <T>(method: string, params: readonly unknown[] = []): Promise<T> => {
    if (closed) throw unreachableNode(name, 'it was closed here')
    const body = JSON.stringify({ jsonrpc: '2.0', id: nextId++, method, params })
    const answer = await post(body).then(
      (text) => parseAnswer(name, method, text),
      (error: Error) => {
        const late = error.name === 'TimeoutError' || error.name === 'AbortError'
        throw unreachableNode(name, late ? `${method} took over ${timeoutMs} ms` : reason(error), error)
      },
    )
    if (answer.error) throw new RpcError(method, answer.error)
    return answer.result as T
  }

  const rpc: Rpc = {
    request,
    async subscribe(params, onMessage) {
      if (params[0] !== 'newHeads') {
        throw new FleetError('unsupported', `${String(params[0])} cannot be subscribed to over HTTP`, {
          remedy: 'Use a ws:// or ipc: address of the node.',
        })
      }
      const stop = pollHeads(rpc, pollMs, onMessage)
      stops.add(stop)
      return async () => {
        stops.delete(stop)
        stop()
      }
    },
    close() {
      closed = true
      for (const stop of stops) stop()
      agent.destroy()
    },
  }
  try {
    await request('eth_chainId')
  } catch (error) {
    rpc.close()
    throw error
  }
  return rpc
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** Nodes answer errors with many a status: what counts is whether the body is a JSON-RPC answer. */
function parseAnswer(name: string, method: string, text: string): Answer {
  try {
    const answer: unknown = JSON.parse(text)
    if (typeof answer === 'object' && answer !== null && ('result' in answer || 'error' in answer)) {
      return answer as Answer
    }
  } catch {
    // not JSON: said below
  }
  throw unreachableNode(name, `${method} was answered by something that is not a node`)
}
