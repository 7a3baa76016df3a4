/** Waits, or until the signal aborts; never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
  })
}

export interface Wakeable {
  nudge(): void
  /** Resolves at the next nudge (at once if there was one since), after `ms`, or when the signal aborts. */
  next(ms: number): Promise<void>
}

export function wakeable(signal: AbortSignal): Wakeable {
  let nudged = false
  let wake = new AbortController()
  return {
    nudge() {
      nudged = true
      wake.abort()
    },
    async next(ms) {
      if (!nudged) await pause(ms, AbortSignal.any([signal, wake.signal]))
      nudged = false
      wake = new AbortController()
    },
  }
}
