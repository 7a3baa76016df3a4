import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import type { SharedMemory, StreamEntry } from '../ports/memory/memory.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import { stringify } from '../protocol/json.ts'
import { streams } from '../protocol/keys.ts'
import { keepLooking } from './look.ts'

const ALIVE_EVERY_MS = 15_000
const LOOK_EVERY_MS = 2_000
const LOOK_GAP_MS = 50
const MAX_LAST = 1_000
/** What a reader may leave unread before it is taken for gone. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024

export interface EventsOptions {
  memory: SharedMemory
  query: Record<string, string>
  signal: AbortSignal
}

/**
 * The stream `events` as server-sent events, from now on; `?last=N` begins with the last N, `?after=ID` or the header
 * Last-Event-ID after that entry. An outage of shared memory only delays.
 */
export async function serveEvents(
  request: IncomingMessage,
  response: ServerResponse,
  { memory, query, signal }: EventsOptions,
): Promise<void> {
  const stream = memory.stream(streams.events)
  let { after, entries } = await begin(memory, request, query)
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
  response.write(': events\n\n')
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const alive = setInterval(() => response.write(': alive\n\n'), ALIVE_EVERY_MS)
  const both = AbortSignal.any([signal, gone.signal])

  await keepLooking(
    {
      memory,
      topics: { streams: [streams.events] },
      everyMs: LOOK_EVERY_MS,
      gapMs: LOOK_GAP_MS,
      signal: both,
      onFault: () => {},
    },
    async () => {
      entries ??= await stream.read(after === undefined ? { last: MAX_LAST } : { after })
      for (const entry of entries) response.write(eventOf(entry))
      after = entries.at(-1)?.id ?? after
      entries = undefined
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy()
    },
  )
  clearInterval(alive)
  response.end()
}

const eventOf = ({ id, value }: StreamEntry): string => `id: ${id}\ndata: ${stringify(value)}\n\n`

/** Where to begin, and what to send at once. */
async function begin(
  memory: SharedMemory,
  request: IncomingMessage,
  query: Record<string, string>,
): Promise<{ after: string | undefined; entries: StreamEntry[] | undefined }> {
  const stream = memory.stream(streams.events)
  const header = request.headers['last-event-id']
  const after = query.after ?? (typeof header === 'string' ? header : undefined)
  if (after !== undefined) return { after, entries: await readAfter(memory, after) }
  const last = z.coerce
    .number()
    .int()
    .min(0)
    .max(MAX_LAST)
    .safeParse(query.last ?? 0)
  if (!last.success) throw usage(`last is a number from 0 to ${MAX_LAST}`)
  const entries = await stream.read({ last: Math.max(1, last.data) })
  return { after: entries.at(-1)?.id, entries: last.data === 0 ? undefined : entries }
}

async function readAfter(memory: SharedMemory, after: string): Promise<StreamEntry[]> {
  try {
    return await memory.stream(streams.events).read({ after })
  } catch (thrown) {
    const error = asFleetError(thrown)
    throw error.code === 'malformed' ? usage(error.message) : error
  }
}

const usage = (message: string): FleetError =>
  new FleetError('usage', message, { remedy: 'Ask with last (0 to 1000), or after with an id that the stream gave.' })
