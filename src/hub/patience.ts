/** How much longer than the limit a call may take that keeps reporting progress. */
const PATIENT = 10

/** A signal that aborts with the caller's, and when nothing was heard for too long. */
export interface Patience {
  signal: AbortSignal
  /** Something was heard. */
  renew(): void
  end(): void
}

export function openPatience(caller: AbortSignal, limitMs: number): Patience {
  const over = new AbortController()
  const lastAt = performance.now() + limitMs * PATIENT
  let timer = setTimeout(() => over.abort(), limitMs)
  return {
    signal: AbortSignal.any([caller, over.signal]),
    renew: () => {
      clearTimeout(timer)
      timer = setTimeout(() => over.abort(), Math.max(0, Math.min(limitMs, lastAt - performance.now())))
    },
    end: () => clearTimeout(timer),
  }
}
