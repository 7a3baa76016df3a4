import type { FleetClient } from '../src/client/client.ts'
import { asFleetError } from '../src/protocol/errors.ts'
import type { LogLine } from '../src/protocol/records.ts'
import { LOG_LINES, type LogScope } from './model.ts'
import { pauseFor } from './poller.ts'

/** Lines are handed on in batches this far apart. */
const BATCH_MS = 100
const AGAIN_MS = 2_000

export interface LogSink {
  /** A stream opens (again): what it sends replaces what is there. */
  begin(): void
  lines(lines: readonly LogLine[]): void
  fail(reason: string): void
}

/**
 * Follows the logs of one agent or of the whole fleet until the returned function is called. A stream that ends or fails
 * is opened again every two seconds. Between two batches no more than the ring holds is kept, so a flood costs no memory.
 */
export function followLogs(client: FleetClient, scope: LogScope, sink: LogSink): () => void {
  const stop = new AbortController()
  const { signal } = stop
  let batch: LogLine[] = []
  let fresh = true
  let timer: NodeJS.Timeout | undefined

  const flush = () => {
    timer = undefined
    if (signal.aborted || batch.length === 0) return
    if (fresh) sink.begin()
    fresh = false
    sink.lines(batch)
    batch = []
  }
  const take = (line: LogLine) => {
    batch.push(line)
    if (batch.length > LOG_LINES * 2) batch = batch.slice(-LOG_LINES)
    timer ??= setTimeout(flush, BATCH_MS)
  }

  /** One stream to its end. @returns why it ended */
  const follow = async (): Promise<string> => {
    const sources = scope.kind === 'agent' ? [scope.id] : []
    fresh = true
    try {
      for await (const line of client.logs({ sources, follow: true, tail: LOG_LINES }, signal)) take(line)
      return 'the stream ended'
    } catch (thrown) {
      return asFleetError(thrown).message
    }
  }

  const followOn = async () => {
    while (!signal.aborted) {
      const why = await follow()
      clearTimeout(timer)
      flush()
      if (!signal.aborted) sink.fail(why)
      await pauseFor(AGAIN_MS, signal)
    }
  }

  void followOn()
  return () => {
    stop.abort()
    clearTimeout(timer)
  }
}
