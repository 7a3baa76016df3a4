import type { Rpc } from '../rpc.ts'

/** Heads as a subscription would give them, by asking every `pollMs`; blocks between two looks are fetched, at most 64. */
export function pollHeads(rpc: Rpc, pollMs: number, onHead: (head: unknown) => void): () => void {
  let stopped = false
  let lastHash = ''
  let lastNumber = -1
  let timer: NodeJS.Timeout | undefined

  const look = async (): Promise<void> => {
    const latest = await rpc.request<{ number: string; hash: string }>('eth_getBlockByNumber', ['latest', false])
    if (latest.hash === lastHash || stopped) return
    const number = Number(latest.number)
    const from = lastNumber < 0 || number - lastNumber > 64 ? number : Math.min(lastNumber + 1, number)
    for (let missed = from; missed < number; missed++) {
      onHead(await rpc.request('eth_getBlockByNumber', [`0x${missed.toString(16)}`, false]))
    }
    lastHash = latest.hash
    lastNumber = number
    if (!stopped) onHead(latest)
  }
  const loop = (): void => {
    // A failed look is repeated at the next turn; its own callers see the failure through `request`.
    look()
      .catch(() => undefined)
      .finally(() => {
        if (!stopped) timer = setTimeout(loop, pollMs)
      })
  }
  loop()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
