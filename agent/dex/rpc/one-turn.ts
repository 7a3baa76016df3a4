import type { Rpc } from '../rpc.ts'

/** Reads whose answer is the same for all who ask at one moment, and which many ask at each head. */
const SHARED: ReadonlySet<string> = new Set(['eth_blockNumber', 'eth_getBlockByNumber'])

/**
 * Asks a node once for what is asked of it several times in one turn of this process, as the trades of one block do. It is
 * no cache: the call leaves as the turn ends, and nobody joins one of an earlier turn. Whoever shares an answer must not
 * change it.
 */
export function onceATurn(rpc: Rpc): Rpc {
  const asked = new Map<string, Promise<unknown>>()
  const request = <T>(method: string, params: readonly unknown[] = []): Promise<T> => {
    if (!SHARED.has(method)) return rpc.request<T>(method, params)
    const key = `${method} ${JSON.stringify(params)}`
    const same = asked.get(key)
    if (same) return same as Promise<T>
    if (asked.size === 0) process.nextTick(() => asked.clear())
    const answer = rpc.request<T>(method, params)
    asked.set(key, answer)
    return answer
  }
  return { request, subscribe: (params, onMessage) => rpc.subscribe(params, onMessage), close: () => rpc.close() }
}
