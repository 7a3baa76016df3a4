import type { Rpc } from '../dex/rpc.ts'

/** A connection that knows how long the node has owed it an answer. */
export interface WatchedRpc extends Rpc {
  /** Since the oldest call that is under way was made; 0 with none. */
  waitingMs(): number
}

export function watchedRpc(rpc: Rpc): WatchedRpc {
  const underWay = new Set<{ since: number }>()
  return {
    async request<T>(method: string, params?: readonly unknown[]): Promise<T> {
      const call = { since: performance.now() }
      underWay.add(call)
      try {
        return await rpc.request<T>(method, params)
      } finally {
        underWay.delete(call)
      }
    },
    subscribe: (params, onMessage) => rpc.subscribe(params, onMessage),
    close: () => rpc.close(),
    waitingMs() {
      const oldest = underWay.values().next().value // a set keeps the order
      return oldest === undefined ? 0 : performance.now() - oldest.since
    },
  }
}
