import type { FleetEvent } from '../protocol/event.ts'
import type { Counts, EngineName, Profile, RoleName, ToolInfo } from '../protocol/fleet.ts'
import type { LedgerEntry } from '../protocol/ledger.ts'
import type { PlanLine } from '../protocol/plan-line.ts'
import type { AuditView, LogLine, TaskView, TradeView } from '../protocol/records.ts'
import type { Snapshot } from '../protocol/snapshot.ts'
import type { Opportunity } from '../protocol/trade.ts'

/**
 * All that the screen and the commands use. Works the same on Docker (engine, shared memory, hub) and embedded
 * (control socket). Every method throws FleetError.
 */
export interface FleetClient {
  readonly fleet: string
  readonly engine: EngineName

  /** The picture as it is now. Cheap enough to ask a few times a second. `usage: true` also fills cpu and memory. */
  snapshot(options?: { usage?: boolean }): Promise<Snapshot>
  /** Yields when the picture may have changed (a nudge, no news). */
  changes(signal: AbortSignal): AsyncIterable<void>
  /** Events from now on, or the last `last` first. */
  events(options: { last?: number; follow: boolean }, signal: AbortSignal): AsyncIterable<FleetEvent>
  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>

  opportunities(query: { last: number }): Promise<Opportunity[]>
  trades(query: { id?: string; last: number }): Promise<TradeView[]>
  tasks(query: { id?: string; last: number }): Promise<TaskView[]>
  audit(query: { last: number }): Promise<AuditView[]>
  /** The newest `last` entries (1,000 at most) from `since` to `until` (ISO 8601, both included), newest last. */
  ledger(query: LedgerQuery): Promise<LedgerEntry[]>

  /**
   * What would be done to make the fleet as wanted, and what must wait: nothing is done. With `profile` and changes, as if they
   * were wanted.
   */
  plan(changes?: readonly ScaleChange[], profile?: Profile): Promise<PlanLine[]>
  /**
   * Sets wanted counts (`+2`, `-1`, `3`) and returns what is wanted now; with `profile`, all counts are first set to its. Throws
   * `usage` outside min…max, and changes nothing then.
   */
  scale(changes: readonly ScaleChange[], profile?: Profile): Promise<Counts>
  halt(reason: string | null): Promise<void>
  resume(): Promise<void>
  /** Replaces the units named: a role, an agent id, a service, or all agents. Returns the ids replaced. */
  restart(target: string | null): Promise<string[]>

  tools(): Promise<ToolInfo[]>
  call(tool: string, input: Record<string, unknown>): Promise<unknown>

  /** Ends the fleet: `stop` keeps containers and data, `down` removes containers and networks, `volumes` the data too. */
  end(how: { remove: boolean; volumes: boolean }): Promise<void>
  close(): Promise<void>
}

export interface LedgerQuery {
  since?: string | undefined
  until?: string | undefined
  last: number
}

export interface ScaleChange {
  role: RoleName
  op: 'set' | 'add'
  /** Negative only with `add`. */
  count: number
}

export interface LogQuery {
  /** Agent ids and service names; empty: all. */
  sources: readonly string[]
  role?: RoleName
  follow: boolean
  tail: number
  /** ISO 8601 */
  since?: string
}
