import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { sendJson } from '../mcp/http.ts'
import { documentOf } from '../mcp/results.ts'
import type { History } from '../ports/history/history.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { asFleetError, type ErrorCode, FleetError } from '../protocol/errors.ts'
import { decode } from '../protocol/json.ts'
import { Timestamp } from '../protocol/schemas.ts'
import { serveEvents } from './events.ts'
import type { Registry } from './registry.ts'

export interface ApiOptions {
  registry: Registry
  memory: SharedMemory
  history: History
  version: string
  /** Aborts when the hub closes. */
  signal: AbortSignal
  /** Prometheus text. */
  metrics: () => Promise<string>
}

const RecordsQuery = z.strictObject({
  kind: z.enum(['trade', 'task', 'event', 'audit', 'ledger']),
  idPrefix: z.string().min(1).max(200).optional(),
  since: Timestamp.optional(),
  until: Timestamp.optional(),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
})

/** The HTTP API below /api, and /metrics. Who may be served is decided before. */
export function openApi(options: ApiOptions): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { registry, history, metrics } = options
  return async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://hub')
    const query = Object.fromEntries(url.searchParams)
    if (request.method !== 'GET') throw notFound(`${request.method} ${url.pathname}`)
    const [, records] = /^\/api\/records\/([a-z]+)$/.exec(url.pathname) ?? []
    if (records !== undefined) {
      const { kind, ...rest } = decodeQuery({ ...query, kind: records })
      return sendJson(response, 200, { records: await history.read({ kind, ...rest }) })
    }
    switch (url.pathname) {
      case '/api/agents':
        return sendJson(response, 200, { agents: registry.agents() })
      case '/api/events':
        return serveEvents(request, response, { ...options, query })
      case '/metrics':
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' })
        response.end(await metrics())
        return
      default:
        throw notFound(url.pathname)
    }
  }
}

/** Alive, and able to see: 503 with the reason when shared memory is away. Says nothing that needs a token. */
export function sendHealth(
  response: ServerResponse,
  { registry, version }: Pick<ApiOptions, 'registry' | 'version'>,
): void {
  sendJson(response, 200, { ok: true, version, agents: registry.agents().length })
}

/** An error as the API answers it. */
export function sendError(response: ServerResponse, thrown: unknown): void {
  const error = asFleetError(thrown)
  sendJson(response, statusOf(error.code, error.transient), documentOf(error))
}

const STATUS: Partial<Record<ErrorCode, number>> = { usage: 400, malformed: 400, not_found: 404, timeout: 504 }
const statusOf = (code: ErrorCode, transient: boolean): number => STATUS[code] ?? (transient ? 503 : 500)

const notFound = (what: string): FleetError =>
  new FleetError('not_found', `the hub has nothing at ${what}`, {
    remedy:
      'It serves /mcp, /metrics, /api/health, /api/agents, /api/events and /api/records/trade, task, event, audit, ledger.',
  })

type Query = { [K in keyof z.output<typeof RecordsQuery>]: Exclude<z.output<typeof RecordsQuery>[K], undefined> }

function decodeQuery(query: Record<string, string>): Query {
  try {
    // zod leaves keys out that were not given.
    return decode(RecordsQuery, query, 'the query') as Query
  } catch (thrown) {
    const { message } = asFleetError(thrown)
    throw new FleetError('usage', message, {
      remedy: 'Ask with idPrefix, since, until (ISO 8601) and limit (1 to 1000).',
    })
  }
}
