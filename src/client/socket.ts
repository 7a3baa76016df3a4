import net from 'node:net'
import type { z } from 'zod'
import { type ErrorDocument, FleetError } from '../protocol/errors.ts'
import type { FleetEvent } from '../protocol/event.ts'
import type { Counts, EngineName, Profile, ToolInfo } from '../protocol/fleet.ts'
import { decode, stringify } from '../protocol/json.ts'
import type { LedgerEntry } from '../protocol/ledger.ts'
import type { PlanLine } from '../protocol/plan-line.ts'
import type { AuditView, LogLine, TaskView, TradeView } from '../protocol/records.ts'
import type { Snapshot } from '../protocol/snapshot.ts'
import type { Opportunity } from '../protocol/trade.ts'
import type { FleetClient, LedgerQuery, LogQuery, ScaleChange } from './client.ts'
import { splitLines } from './lines.ts'
import { CALLS, type CallName, ReplySchema, STREAMS, type StreamName } from './wire.ts'

/** A host that says nothing for so long hangs. */
const ANSWER_MS = 20_000
/** These take as long as what they ask for: a tool, agents that drain. */
const SLOW: readonly CallName[] = ['call', 'restart', 'end', 'tools']
const SLOW_MS = 180_000

interface Pending {
  item(value: unknown): void
  done(result: unknown): void
  fail(error: FleetError): void
}

/** The client of an embedded fleet: FleetClient over its host's control socket. */
export class SocketClient implements FleetClient {
  readonly fleet: string
  readonly engine: EngineName = 'embedded'
  readonly #socket: net.Socket
  readonly #pending = new Map<number, Pending>()
  #next = 1
  #lost: FleetError | undefined

  private constructor(fleet: string, socket: net.Socket) {
    this.fleet = fleet
    this.#socket = socket
    splitLines(socket, (line) => this.#onLine(line))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#onClose())
  }

  /** @throws FleetError `fleet_not_running` when nobody listens */
  static open(fleet: string, socketPath: string): Promise<SocketClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(socketPath)
      const refuse = (cause: Error) => reject(notRunning(fleet, cause))
      socket.once('error', refuse)
      socket.once('connect', () => {
        socket.off('error', refuse)
        resolve(new SocketClient(fleet, socket))
      })
    })
  }

  snapshot(options?: { usage?: boolean }): Promise<Snapshot> {
    return this.#call('snapshot', options)
  }
  changes(signal: AbortSignal): AsyncIterable<void> {
    return this.#stream('changes', undefined, signal)
  }
  events(options: { last?: number; follow: boolean }, signal: AbortSignal): AsyncIterable<FleetEvent> {
    return this.#stream('events', options, signal)
  }
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    return this.#stream('logs', query, signal)
  }
  opportunities(query: { last: number }): Promise<Opportunity[]> {
    return this.#call('opportunities', query)
  }
  trades(query: { id?: string; last: number }): Promise<TradeView[]> {
    return this.#call('trades', query)
  }
  tasks(query: { id?: string; last: number }): Promise<TaskView[]> {
    return this.#call('tasks', query)
  }
  audit(query: { last: number }): Promise<AuditView[]> {
    return this.#call('audit', query)
  }
  ledger(query: LedgerQuery): Promise<LedgerEntry[]> {
    return this.#call('ledger', query)
  }
  plan(changes: readonly ScaleChange[] = [], profile?: Profile): Promise<PlanLine[]> {
    return this.#call('plan', { changes, ...(profile === undefined ? {} : { profile }) })
  }
  scale(changes: readonly ScaleChange[], profile?: Profile): Promise<Counts> {
    return this.#call('scale', { changes, ...(profile === undefined ? {} : { profile }) })
  }
  async halt(reason: string | null): Promise<void> {
    await this.#call('halt', reason)
  }
  async resume(): Promise<void> {
    await this.#call('resume', undefined)
  }
  restart(target: string | null): Promise<string[]> {
    return this.#call('restart', target)
  }
  tools(): Promise<ToolInfo[]> {
    return this.#call('tools', undefined)
  }
  call(tool: string, input: Record<string, unknown>): Promise<unknown> {
    return this.#call('call', { tool, input })
  }
  async end(how: { remove: boolean; volumes: boolean }): Promise<void> {
    await this.#call('end', how)
  }

  async close(): Promise<void> {
    this.#socket.destroy()
  }

  #call<M extends CallName>(method: M, params: unknown): Promise<z.output<(typeof CALLS)[M]['result']>> {
    return new Promise((resolve, reject) => {
      const ms = SLOW.includes(method) ? SLOW_MS : ANSWER_MS
      const timer = setTimeout(() => reject(hangs(this.fleet, method, ms)), ms)
      this.#send(method, params, {
        item: () => {},
        done: (result) => {
          clearTimeout(timer)
          try {
            const schema: z.ZodType = CALLS[method].result
            resolve(
              decode(schema, result ?? undefined, `the host's answer to ${method}`) as z.output<
                (typeof CALLS)[M]['result']
              >,
            )
          } catch (thrown) {
            reject(thrown)
          }
        },
        fail: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  async *#stream<M extends StreamName>(
    method: M,
    params: unknown,
    signal: AbortSignal,
  ): AsyncIterable<z.output<(typeof STREAMS)[M]['item']>> {
    const items: unknown[] = []
    let ended = false
    let error: FleetError | undefined
    let wake = () => {}
    const poke = () => wake()
    const finish = (failure?: FleetError) => {
      ended = true
      error = failure
      poke()
    }
    const id = this.#send(method, params, {
      item: (value) => {
        items.push(value)
        poke()
      },
      done: () => finish(),
      fail: finish,
    })
    signal.addEventListener('abort', poke)
    try {
      while (!signal.aborted) {
        const schema: z.ZodType = STREAMS[method].item
        while (items.length > 0)
          yield decode(schema, items.shift() ?? undefined, `an item of ${method}`) as z.output<
            (typeof STREAMS)[M]['item']
          >
        if (error) throw error
        if (ended) return
        await new Promise<void>((resolve) => {
          wake = resolve
          if (items.length > 0 || ended || signal.aborted) resolve()
        })
      }
    } finally {
      signal.removeEventListener('abort', poke)
      this.#pending.delete(id)
      if (!ended && !this.#socket.destroyed) this.#socket.write(`${JSON.stringify({ id, cancel: true })}\n`)
    }
  }

  #send(method: string, params: unknown, pending: Pending): number {
    const id = this.#next++
    if (this.#lost) pending.fail(this.#lost)
    else {
      this.#pending.set(id, pending)
      this.#socket.write(`${stringify({ id, method, ...(params === undefined ? {} : { params }) })}\n`)
    }
    return id
  }

  #onLine(line: string): void {
    const reply = readReply(line)
    if (!reply) {
      this.#socket.destroy() // it is not the host that we know: what is pending fails
      return
    }
    const pending = this.#pending.get(reply.id)
    if (!pending) return
    if ('item' in reply) {
      pending.item(reply.item)
      return
    }
    this.#pending.delete(reply.id)
    if ('error' in reply) pending.fail(FleetError.from(reply as ErrorDocument))
    else pending.done(reply.result)
  }

  #onClose(): void {
    this.#lost = notRunning(this.fleet)
    for (const pending of this.#pending.values()) pending.fail(this.#lost)
    this.#pending.clear()
  }
}

function readReply(line: string): z.output<typeof ReplySchema> | undefined {
  try {
    return ReplySchema.parse(JSON.parse(line))
  } catch {
    return undefined
  }
}

function hangs(fleet: string, method: string, ms: number): FleetError {
  return new FleetError(
    'fleet_busy',
    `the host of the fleet ${fleet} did not answer ${method} within ${ms / 1_000} s`,
    {
      remedy: `Try again; if it stays silent, arbdeck down --fleet ${fleet} ends it.`,
      transient: true,
    },
  )
}

export function notRunning(fleet: string, cause?: unknown, engine = 'embedded'): FleetError {
  return new FleetError('fleet_not_running', `no fleet named ${fleet} runs here`, {
    remedy: `Start it: arbdeck up --engine ${engine}${fleet === 'arbdeck' ? '' : ` --fleet ${fleet}`}`,
    transient: true,
    ...(cause === undefined ? {} : { cause }),
  })
}
