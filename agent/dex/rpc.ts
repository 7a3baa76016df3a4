import { FleetError } from '../../src/protocol/errors.ts'
import { openHttp } from './rpc/http.ts'
import { dialIpc, dialWebSocket } from './rpc/link.ts'
import { onceATurn } from './rpc/one-turn.ts'
import { openSocket } from './rpc/socket.ts'

/**
 * A raw JSON-RPC connection: no caches, no batching delay; equal reads of one turn go as one (one-turn.ts). Implemented beside
 * this file for http, ws and ipc.
 */
export interface Rpc {
  /** @throws FleetError `chain_unreachable` (transient) or RpcError with the node's code, message and data */
  request<T = unknown>(method: string, params?: readonly unknown[]): Promise<T>
  /** eth_subscribe; calls back until the returned function is called; resubscribes after a reconnect. */
  subscribe(params: readonly unknown[], onMessage: (message: unknown) => void): Promise<() => Promise<void>>
  close(): void
}

export interface RpcOptions {
  /** How long one call may take, the wait for a lost connection included. Milliseconds, 10,000 unless told. */
  timeoutMs?: number
  /** Only http, where heads are polled. Milliseconds, 1,000 unless told. */
  pollMs?: number
}

/**
 * Connects to a node: `http(s)://…`, `ws(s)://…` or `ipc:/path/of/the/socket`. A lost socket is opened again for ever
 * (pauses of 0.1 to 5 s), and subscriptions with it; what was missed meanwhile is not repeated.
 * @throws FleetError `chain_unreachable` (transient) when nobody answers now, `config_invalid` for another kind of URL
 */
export async function openRpc(url: string, options: RpcOptions = {}): Promise<Rpc> {
  return onceATurn(await connect(url, options))
}

function connect(url: string, options: RpcOptions): Promise<Rpc> {
  const timeoutMs = options.timeoutMs ?? 10_000
  const name = nameOf(url)
  if (url.startsWith('ipc:')) return openSocket(name, dialIpc(url.slice('ipc:'.length)), timeoutMs)
  switch (new URL(url).protocol) {
    case 'ws:':
    case 'wss:':
      return openSocket(name, dialWebSocket(url), timeoutMs)
    default:
      return openHttp(name, url, timeoutMs, options.pollMs ?? 1_000)
  }
}

/** Scheme and host only: the rest of an RPC URL is a secret. */
function nameOf(url: string): string {
  if (url.startsWith('ipc:')) return url
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed && /^(https?|wss?):$/.test(parsed.protocol)) return `${parsed.protocol}//${parsed.host}`
  throw new FleetError('config_invalid', 'the RPC URL is not one that arbdeck speaks', {
    remedy: 'Use http://, https://, ws://, wss:// or ipc:/path/of/the/socket.',
  })
}
