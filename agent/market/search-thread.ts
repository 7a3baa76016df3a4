import { Worker } from 'node:worker_threads'
import { FleetError } from '../../src/protocol/errors.ts'
import type { ThreadMessage, ThreadStart } from './thread-messages.ts'

/** Where the bundle has the thread's entry (src/build.mjs): beside the bundle that this file is in. */
const ENTRY = new URL('./search-worker.js', import.meta.url)
/** Longer than any index takes to build: a thread that says nothing for so long is taken for stuck. */
const STUCK_MS = 60_000

export interface ThreadOptions {
  start: ThreadStart
  /** Default: as the build lays it. */
  entry?: URL | undefined
  onMessage(message: Exclude<ThreadMessage, { kind: 'fault' }>): void
  /** Ends it. */
  signal: AbortSignal
}

/**
 * Runs the search thread until the signal aborts.
 * @throws FleetError what it failed of, or `internal` when it died or went silent
 */
export async function runSearchThread({ start, entry = ENTRY, onMessage, signal }: ThreadOptions): Promise<void> {
  if (signal.aborted) return
  const worker = new Worker(entry, { name: 'arbdeck-search', workerData: start, execArgv: [] })
  try {
    await new Promise<void>((resolve, reject) => {
      let stuck = setTimeout(() => reject(silent()), STUCK_MS)
      worker.on('message', (message: ThreadMessage) => {
        clearTimeout(stuck)
        stuck = setTimeout(() => reject(silent()), STUCK_MS)
        if (message.kind === 'fault') reject(FleetError.from(message.error))
        else if (!signal.aborted) onMessage(message)
      })
      worker.once('error', (error) => reject(died(error.message, error)))
      worker.once('exit', (code) => {
        clearTimeout(stuck)
        reject(died(`exit code ${code}`))
      })
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    await worker.terminate()
  }
}

const silent = (): FleetError =>
  new FleetError('internal', `the search thread has said nothing for ${STUCK_MS / 1000} s`, {
    remedy: 'Nothing: it is started again.',
    transient: true,
  })

const died = (why: string, cause?: unknown): FleetError =>
  new FleetError('internal', `the search thread ended: ${why}`, {
    remedy: 'Nothing: it is started again. If it repeats, the log says why.',
    transient: true,
    cause,
  })
