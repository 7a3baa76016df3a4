/** Tells every listener that something may have changed. Many nudges before a listener looks are one. */
export class Nudges {
  readonly #wakers = new Set<() => void>()
  #closed = false

  nudge(): void {
    for (const wake of [...this.#wakers]) wake()
  }

  /** Ends every listener. */
  close(): void {
    this.#closed = true
    this.nudge()
  }

  /** Counts from the moment of the call; ends when the signal aborts. */
  listen(signal: AbortSignal): AsyncIterable<void> {
    let pending = false
    let wake: (() => void) | undefined
    const waker = () => {
      pending = true
      wake?.()
    }
    this.#wakers.add(waker)
    signal.addEventListener('abort', waker, { once: true })
    const over = () => signal.aborted || this.#closed
    const leave = () => {
      this.#wakers.delete(waker)
      signal.removeEventListener('abort', waker)
    }
    async function* nudges(): AsyncGenerator<void> {
      try {
        while (!over()) {
          if (!pending)
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          wake = undefined
          pending = false
          if (!over()) yield
        }
      } finally {
        leave()
      }
    }
    if (signal.aborted) leave()
    return nudges()
  }
}
