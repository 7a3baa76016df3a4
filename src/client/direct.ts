import { randomUUID } from 'node:crypto'
import { Feed } from '../feed/feed.ts'
import { mergeLogs } from '../feed/logs.ts'
import { Bell } from '../fleet/bell.ts'
import { planNow } from '../fleet/plan-now.ts'
import type { Engine, UnitSpec } from '../ports/engine/engine.ts'
import type { HistoryQuery } from '../ports/history/history.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs, streamAs, update } from '../ports/memory/typed.ts'
import { FleetError } from '../protocol/errors.ts'
import { type FleetEvent, FleetEventSchema, type NewFleetEvent } from '../protocol/event.ts'
import {
  type Counts,
  type EngineName,
  type Profile,
  type ToolInfo,
  type Wanted,
  WantedSchema,
} from '../protocol/fleet.ts'
import { keys, streams } from '../protocol/keys.ts'
import type { LedgerEntry } from '../protocol/ledger.ts'
import type { PlanLine } from '../protocol/plan-line.ts'
import type { AuditView, HistoryRecord, LogLine, RecordKind, TaskView, TradeView } from '../protocol/records.ts'
import { now } from '../protocol/schemas.ts'
import type { Snapshot } from '../protocol/snapshot.ts'
import { type Opportunity, OpportunitySchema } from '../protocol/trade.ts'
import type { FleetClient, LedgerQuery, LogQuery, ScaleChange } from './client.ts'
import { historyQuery, ledgerQuery } from './history-queries.ts'
import { changeText, scaled } from './scale.ts'
import { isTarget, unknownTarget } from './targets.ts'

const STOP_GRACE_MS = 10_000
/** A nudge at least this often, in case one was missed. */
const LOOK_EVERY_MS = 10_000

/** The records of the past: history itself where it is at hand, else the hub. */
export interface RecordReader {
  records<K extends RecordKind>(query: HistoryQuery<K>): Promise<Extract<HistoryRecord, { kind: K }>[]>
}

/** MCP through the hub. */
export interface ToolCaller {
  tools(): Promise<ToolInfo[]>
  call(tool: string, input: Record<string, unknown>): Promise<unknown>
}

export interface DirectParts {
  fleet: string
  engineName: EngineName
  engine: Engine
  memory: SharedMemory
  records: RecordReader
  hub: ToolCaller
  /** Who acts, for the audit: `operator`. */
  by: string
  unitsOf(wanted: Wanted): UnitSpec[]
  /** Makes the fleet whole once when nobody else does. */
  keepWhole(): Promise<void>
  end(how: { remove: boolean; volumes: boolean }): Promise<void>
  close(): Promise<void>
}

/** The client that sees engine and shared memory itself: on Docker in the CLI, embedded in the fleet's host process. */
export class DirectClient implements FleetClient {
  readonly fleet: string
  readonly engine: EngineName
  readonly #parts: DirectParts
  readonly #feed: Feed

  constructor(parts: DirectParts) {
    this.fleet = parts.fleet
    this.engine = parts.engineName
    this.#parts = parts
    this.#feed = new Feed(parts.engine, parts.memory)
  }

  snapshot(options?: { usage?: boolean }): Promise<Snapshot> {
    return this.#feed.snapshot(options?.usage ?? false)
  }

  async *changes(signal: AbortSignal): AsyncIterable<void> {
    const { engine, memory } = this.#parts
    const topics = {
      prefixes: ['wanted', 'halt', 'head', 'chain', 'agent/', 'service/', keys.fileLocks],
      streams: [streams.events],
    }
    const bell = new Bell([() => engine.changes(signal), () => memory.watch(topics, signal)], signal)
    while (!signal.aborted) {
      yield
      await bell.wait(LOOK_EVERY_MS, 0)
    }
  }

  async *events(options: { last?: number; follow: boolean }, signal: AbortSignal): AsyncIterable<FleetEvent> {
    const { memory } = this.#parts
    const nudges = options.follow
      ? memory.watch({ streams: [streams.events] }, signal)[Symbol.asyncIterator]()
      : undefined
    let next = nudges?.next()
    const newest = await streamAs(memory, streams.events, FleetEventSchema, { last: Math.max(1, options.last ?? 0) })
    let after = newest.at(-1)?.id
    for (const entry of options.last ? newest : []) yield entry.value
    while (nudges && next && !signal.aborted) {
      const fresh = await streamAs(
        memory,
        streams.events,
        FleetEventSchema,
        after === undefined ? { last: 1_000 } : { after },
      )
      for (const entry of fresh) yield entry.value
      after = fresh.at(-1)?.id ?? after
      if ((await next).done) return
      next = nudges.next()
    }
  }

  async *logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    await this.#logSources(query) // a name that is wrong is said before anything is followed
    yield* mergeLogs(this.#parts.engine, () => this.#logSources(query), query, signal)
  }

  async opportunities(query: { last: number }): Promise<Opportunity[]> {
    const found = await streamAs(this.#parts.memory, streams.opportunities, OpportunitySchema, { last: query.last })
    return found.map((entry) => entry.value)
  }

  async trades(query: { id?: string; last: number }): Promise<TradeView[]> {
    return (await this.#parts.records.records(historyQuery('trade', query))).map((record) => record.body)
  }

  async tasks(query: { id?: string; last: number }): Promise<TaskView[]> {
    return (await this.#parts.records.records(historyQuery('task', query))).map((record) => record.body)
  }

  async audit(query: { last: number }): Promise<AuditView[]> {
    return (await this.#parts.records.records(historyQuery('audit', query))).map((record) => record.body)
  }

  async ledger(query: LedgerQuery): Promise<LedgerEntry[]> {
    return (await this.#parts.records.records(ledgerQuery(query))).map((record) => record.body)
  }

  async scale(changes: readonly ScaleChange[], profile?: Profile): Promise<Counts> {
    const { memory } = this.#parts
    const wanted = await update(memory, keys.wanted, WantedSchema, (current) => {
      if (!current) throw notWanted()
      return { ...scaled(current, changes, profile), writtenBy: this.#parts.by, at: now() }
    })
    if (!wanted) throw notWanted()
    await this.#say({ type: 'scale', counts: wanted.counts, profile: wanted.profile, by: this.#parts.by })
    await this.#audit('scale', [...(profile ? [`profile ${profile}`] : []), ...changes.map(changeText)].join(' '))
    await this.#parts.keepWhole()
    return wanted.counts
  }

  plan(changes: readonly ScaleChange[] = [], profile?: Profile): Promise<PlanLine[]> {
    return planNow({ ...this.#parts, keeps: () => true }, (wanted) => scaled(wanted, changes, profile))
  }

  async halt(reason: string | null): Promise<void> {
    await this.#setHalt(true, reason)
  }

  async resume(): Promise<void> {
    await this.#setHalt(false, null)
  }

  async restart(target: string | null): Promise<string[]> {
    const { engine } = this.#parts
    const wanted = await this.#wanted()
    const units = this.#parts.unitsOf(wanted).filter((unit) => isTarget(unit, target))
    if (units.length === 0)
      throw unknownTarget(
        target,
        this.#parts.unitsOf(wanted).map((unit) => unit.id),
      )
    for (const unit of units) {
      await engine.stop(unit.id, { graceMs: unit.graceMs ?? STOP_GRACE_MS, remove: true })
      await engine.start(unit)
    }
    await this.#audit('restart', target ?? 'all agents')
    return units.map((unit) => unit.id)
  }

  tools(): Promise<ToolInfo[]> {
    return this.#parts.hub.tools()
  }

  call(tool: string, input: Record<string, unknown>): Promise<unknown> {
    return this.#parts.hub.call(tool, input)
  }

  end(how: { remove: boolean; volumes: boolean }): Promise<void> {
    return this.#parts.end(how)
  }

  close(): Promise<void> {
    return this.#parts.close()
  }

  async #wanted(): Promise<Wanted> {
    const wanted = await readAs(this.#parts.memory, keys.wanted, WantedSchema)
    if (!wanted) throw notWanted()
    return wanted.value
  }

  async #logSources(query: LogQuery): Promise<string[]> {
    const units = await this.#parts.engine.list()
    if (query.role) return units.filter((u) => u.unit.kind === 'agent' && u.unit.role === query.role).map((u) => u.id)
    if (query.sources.length === 0) return units.map((unit) => unit.id)
    return query.sources.flatMap((source) => {
      const named = units.filter((unit) => isTarget(unit, source)).map((unit) => unit.id)
      if (named.length > 0) return named
      throw unknownTarget(
        source,
        units.map((unit) => unit.id),
      )
    })
  }

  async #setHalt(set: boolean, reason: string | null): Promise<void> {
    const { by, memory } = this.#parts
    await memory.write(keys.halt, { set, reason, by, at: now() })
    await this.#say({ type: 'halt', set, reason, by })
    await this.#audit(set ? 'halt' : 'resume', reason ?? '')
  }

  async #say(event: NewFleetEvent): Promise<void> {
    await this.#parts.memory.stream(streams.events).append({ at: now(), ...event })
  }

  /** Goes to the audit stream; the hub (embedded: the host) moves it into history. */
  async #audit(action: string, target: string): Promise<void> {
    const entry: AuditView = {
      id: randomUUID(),
      at: now(),
      by: this.#parts.by,
      action,
      target,
      outcome: 'ok',
      detail: null,
    }
    await this.#parts.memory.stream(streams.audit).append(entry)
  }
}

const notWanted = (): FleetError =>
  new FleetError('not_found', 'shared memory does not say which fleet is wanted', {
    remedy: 'Run arbdeck up: it writes it.',
  })
