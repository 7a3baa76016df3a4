const AGAIN_MS = 1_000

/** Rings when any of its sources nudges. A ring that nobody waited for is kept, many are one. */
export class Bell {
  readonly #signal: AbortSignal
  #rung = false
  #wake = () => {}

  /** @param sources begun again when they fail or end, until the signal aborts */
  constructor(sources: readonly (() => AsyncIterable<void>)[], signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', () => this.#wake())
    for (const source of sources) void this.#listen(source)
  }

  ring(): void {
    this.#rung = true
    this.#wake()
  }

  /** Resolves at a ring, after `ms`, or when the signal aborts; never sooner than `leastMs`. */
  async wait(ms: number, leastMs: number): Promise<void> {
    await this.#sleep(leastMs, false)
    await this.#sleep(Math.max(0, ms - leastMs), true)
    this.#rung = false
  }

  #sleep(ms: number, untilRung: boolean): Promise<void> {
    return new Promise((resolve) => {
      const ready = () => this.#signal.aborted || (untilRung && this.#rung)
      if (ready()) return resolve()
      const done = () => {
        clearTimeout(timer)
        this.#wake = () => {}
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#wake = () => {
        if (ready()) done()
      }
    })
  }

  async #listen(source: () => AsyncIterable<void>): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        for await (const _nudge of source()) this.ring()
      } catch {
        // The look itself will say what is wrong: a bell only rings.
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref())
    }
  }
}
