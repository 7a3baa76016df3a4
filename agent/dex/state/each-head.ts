import type { Rpc } from '../rpc.ts'

const LOOK_AGAIN_MS = 1_000

/**
 * Looks at once, at each new head, and every second in case one was missed, until `look` gives something.
 * @throws what `look` throws; what the signal was aborted with
 */
export async function atEachHead<T>(rpc: Rpc, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T> {
  const heads = await headNudges(rpc, signal)
  try {
    for (;;) {
      signal.throwIfAborted()
      const found = await look()
      if (found !== undefined) return found
      await heads.next()
    }
  } finally {
    await heads.stop()
  }
}

async function headNudges(rpc: Rpc, signal: AbortSignal) {
  let wake: () => void = () => undefined
  let pending = false
  const nudge = (): void => {
    pending = true
    wake()
  }
  const unsubscribe = await rpc.subscribe(['newHeads'], nudge)
  signal.addEventListener('abort', nudge)
  return {
    async next(): Promise<void> {
      if (!pending) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_AGAIN_MS)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      pending = false
    },
    async stop(): Promise<void> {
      signal.removeEventListener('abort', nudge)
      await unsubscribe()
    },
  }
}
