import { Agent, type IncomingMessage, request } from 'node:http'
import { z } from 'zod'
import { openCaller, type Reply } from '../mcp/caller.ts'
import { readErrorDocument, readResult } from '../mcp/results.ts'
import { FleetError } from '../protocol/errors.ts'
import { type ToolInfo, ToolInfoSchema } from '../protocol/fleet.ts'
import { decode, parse } from '../protocol/json.ts'
import { type HistoryRecord, HistoryRecordSchema, type RecordKind } from '../protocol/records.ts'

export interface HubClientOptions {
  /** Of the hub, without a path: http://127.0.0.1:3000 */
  url: string
  /** The operator's. */
  token: string
  /** How it introduces itself to the audit; `arbdeck` unless told. */
  name?: string
}

interface RecordsQuery {
  /** Exactly this id, or what belongs to it. */
  idPrefix?: string
  /** ISO 8601 */
  since?: string
  /** ISO 8601 */
  until?: string
  /** 1 to 1000; 100 unless told. */
  limit?: number
}

/** The hub, as the CLI uses it. Every method throws FleetError `hub_unreachable` when it does not answer. */
export interface HubClient {
  tools(): Promise<ToolInfo[]>
  /**
   * failed in words of its own
   */
  call(tool: string, input: Record<string, unknown>, signal?: AbortSignal): Promise<unknown>
  /** Newest last. */
  records<K extends RecordKind>(kind: K, query?: RecordsQuery): Promise<Extract<HistoryRecord, { kind: K }>[]>
  /** It answers and sees shared memory. Never throws. */
  health(): Promise<boolean>
  close(): Promise<void>
}

const HEALTH_MS = 2_000
const ANSWER_MS = 10_000

export function openHubClient({ url, token, name = 'arbdeck' }: HubClientOptions): HubClient {
  const base = url.replace(/\/+$/, '')
  const caller = openCaller({ url: `${base}/mcp`, token, name, version: '1' })
  const pool = new Agent({ keepAlive: true })
  const ask = (path: string, timeoutMs: number) => get(`${base}${path}`, { token, pool, timeoutMs })

  const tools = async (): Promise<ToolInfo[]> => {
    const reply = await caller.request('tools/list', {}, { signal: AbortSignal.timeout(ANSWER_MS) })
    const list = resultOf(reply, base, 'tools/list').tools
    return decode(z.array(ToolInfoSchema), list, "the hub's list of tools")
  }
  return {
    tools,
    call: async (tool, input, signal) => {
      const reply = await caller.request('tools/call', { name: tool, arguments: input }, signal ? { signal } : {})
      return readResult(tool, resultOf(reply, base, tool))
    },
    records: async (kind, query = {}) => {
      const search = new URLSearchParams(
        Object.entries(query).map(([key, value]): [string, string] => [key, `${value}`]),
      )
      const answer = await ask(`/api/records/${kind}?${search}`, ANSWER_MS)
      if (answer.status !== 200) throw errorOf(base, answer)
      const { records } = parse(z.object({ records: z.array(HistoryRecordSchema) }), answer.text, "the hub's answer")
      return records.filter((record) => record.kind === kind) as Extract<HistoryRecord, { kind: typeof kind }>[]
    },
    health: () =>
      ask('/api/health', HEALTH_MS).then(
        ({ status }) => status === 200,
        () => false,
      ),
    close: async () => {
      pool.destroy()
      await caller.close()
    },
  }
}

function resultOf(reply: Reply, base: string, tool: string): Record<string, unknown> {
  switch (reply.kind) {
    case 'result':
      return reply.result
    case 'error': {
      const document = readErrorDocument(reply.data)
      if (document) throw FleetError.from(document)
      throw new FleetError('tool_failed', `${tool} failed: ${reply.message}`, {
        remedy: 'arbdeck tools shows what it takes.',
      })
    }
    case 'refused':
      throw errorOf(base, { status: reply.status, text: reply.why })
    case 'aborted':
      throw new FleetError('timeout', `${tool} was given up before the hub answered`, { remedy: 'Call it again.' })
    default:
      throw gone(base, reply.why)
  }
}

const gone = (base: string, why: string): FleetError =>
  new FleetError('hub_unreachable', `the hub at ${base} does not answer: ${why}`, {
    remedy: 'See whether it runs with arbdeck status, and what it says with arbdeck logs hub.',
    transient: true,
  })

function errorOf(base: string, { status, text }: { status: number; text: string }): FleetError {
  const document = readErrorDocument(text)
  if (status === 401) {
    return new FleetError('hub_unreachable', `the hub at ${base} does not take this fleet's token`, {
      remedy: 'It belongs to another fleet: give --fleet, or --hub-port for a port of its own.',
    })
  }
  return document ? FleetError.from(document) : gone(base, `HTTP ${status} ${text.slice(0, 200)}`)
}

interface GetOptions {
  token: string
  pool: Agent
  timeoutMs: number
}

/** @throws FleetError `hub_unreachable` */
function get(url: string, { token, pool, timeoutMs }: GetOptions): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const fail = (error: Error) => reject(gone(new URL(url).origin, error.message))
    const sent = request(url, { agent: pool, signal, headers: { authorization: `Bearer ${token}` } })
    sent.on('error', fail)
    sent.on('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', fail)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      )
    })
    sent.end()
  })
}
