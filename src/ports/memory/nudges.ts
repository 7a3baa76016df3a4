export interface Topics {
  prefixes?: readonly string[]
  streams?: readonly string[]
}

interface Watcher {
  topics: Topics
  /** A nudge waits to be taken. */
  due: boolean
  wake: () => void
}

/** Hands what changed to whoever watches it; nudges that nobody has taken yet merge into one. */
export class Nudges {
  readonly #watchers = new Set<Watcher>()
  #closed = false

  keyChanged(key: string): void {
    this.#nudge(({ prefixes }) => prefixes?.some((prefix) => key.startsWith(prefix)) ?? false)
  }

  streamChanged(name: string): void {
    this.#nudge(({ streams }) => streams?.includes(name) ?? false)
  }

  /** Something may have been missed: everybody looks again. */
  allChanged(): void {
    this.#nudge(() => true)
  }

  /** Ends every watch. */
  close(): void {
    this.#closed = true
    for (const watcher of this.#watchers) watcher.wake()
  }

  /** `start` runs at the first `next()`, after the watcher is registered; true when a first nudge is due at once. */
  async *watch(topics: Topics, signal: AbortSignal, start: () => boolean): AsyncGenerator<void> {
    const watcher: Watcher = { topics, due: false, wake: () => undefined }
    const onAbort = () => watcher.wake()
    signal.addEventListener('abort', onAbort)
    this.#watchers.add(watcher)
    try {
      if (start()) watcher.due = true
      while (!signal.aborted && !this.#closed) {
        if (watcher.due) {
          watcher.due = false
          yield
        } else {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
        }
      }
    } finally {
      this.#watchers.delete(watcher)
      signal.removeEventListener('abort', onAbort)
    }
  }

  #nudge(concerns: (topics: Topics) => boolean): void {
    for (const watcher of this.#watchers) {
      if (!concerns(watcher.topics)) continue
      watcher.due = true
      watcher.wake()
    }
  }
}
