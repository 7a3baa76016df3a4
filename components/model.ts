import type { AgentState, EngineName, RoleName } from '../src/protocol/fleet.ts'
import type { LogLine } from '../src/protocol/records.ts'
import type { AgentView, RoleView, Snapshot } from '../src/protocol/snapshot.ts'
import type { DrawLine } from './chart/line-widget.ts'
import type { PaneName, Size } from './layout.ts'

/** Log lines kept; older ones fall out. */
export const LOG_LINES = 500
/** A picture older than this is called stale. */
export const STALE_MS = 3_000

export type LogScope = { kind: 'fleet' } | { kind: 'agent'; id: string }

export interface LogView {
  scope: LogScope
  lines: readonly LogLine[]
  /** Number of the first line kept, counted from the start of the stream: a line keeps its number when others fall out. */
  first: number
  /** Why nothing comes just now. */
  failure: string | null
}

export interface ServiceProgress {
  name: string
  state: string
  note: string
}
export interface AgentProgress {
  id: string
  state: AgentState
}

/** What the start has told so far. */
export interface Startup {
  since: number
  services: readonly ServiceProgress[]
  agents: readonly AgentProgress[]
  notes: readonly { at: string; level: 'info' | 'warn' | 'error'; message: string }[]
}

export interface Notice {
  level: 'info' | 'error'
  text: string
  /** Milliseconds of the clock at which it goes. */
  until: number
}

/** What the person looks at: the only state that is not the fleet's. */
export interface Look {
  focus: PaneName
  zoom: boolean
  /** What lies over the panes. */
  over: 'help' | 'locks' | null
  /** First line of it in view. */
  overTop: number
  question: 'halt' | 'resume' | null
  role: RoleName
  /** Agents of the chosen role only. */
  onlyRole: boolean
  /** Cursors by id, so that a row stays chosen when others come and go; null is the first row. */
  agent: string | null
  opportunity: string | null
  /** Number of the last log line in view; null follows. */
  logEnd: number | null
}

/** All that is on the screen. Never changed in place: another picture is another object. */
export interface Model {
  size: Size
  now: number
  fleet: string
  engine: EngineName | null
  startup: Startup
  snapshot: Snapshot | null
  /** When the snapshot came; 0 before the first. */
  receivedAt: number
  /** Raised with every change of the profit series. */
  profitVersion: number
  /** The chart's drawing function, loaded with the first picture. */
  chart: DrawLine | null
  /** Why the last look failed. */
  failure: string | null
  logs: LogView
  /** Wanted counts asked for and not yet seen. */
  pending: Readonly<Partial<Record<RoleName, number>>>
  notice: Notice | null
  look: Look
}

export function initialModel(options: { size: Size; now: number; fleet: string }): Model {
  return {
    ...options,
    engine: null,
    startup: { since: options.now, services: [], agents: [], notes: [] },
    snapshot: null,
    receivedAt: 0,
    profitVersion: 0,
    chart: null,
    failure: null,
    logs: { scope: { kind: 'fleet' }, lines: [], first: 0, failure: null },
    pending: {},
    notice: null,
    look: {
      focus: 'fleet',
      zoom: false,
      over: null,
      overTop: 0,
      question: null,
      role: 'code_indexer',
      onlyRole: false,
      agent: null,
      opportunity: null,
      logEnd: null,
    },
  }
}

/** Agents in the list, in its order. */
export function agentsShown(model: Model): readonly AgentView[] {
  const agents = model.snapshot?.agents ?? []
  return model.look.onlyRole ? agents.filter((agent) => agent.role === model.look.role) : agents
}

/** Index of the row with this id, 0 when there is none. */
export const cursorOf = (rows: readonly { id: string }[], id: string | null): number =>
  Math.max(
    0,
    rows.findIndex((row) => row.id === id),
  )

/** What `+` and `-` scale: the role of the agent that is looked at, else the chosen role. */
export function scaleTarget(model: Model): RoleName {
  const { focus, role } = model.look
  if (focus !== 'agents') return role
  const agents = agentsShown(model)
  return agents[cursorOf(agents, model.look.agent)]?.role ?? role
}

export const wantedOf = (model: Model, role: RoleView): number => model.pending[role.role] ?? role.want

export const sameScope = (a: LogScope, b: LogScope): boolean =>
  a.kind === 'agent' && b.kind === 'agent' ? a.id === b.id : a.kind === b.kind

/** How old the picture is when it is too old, else null. */
export function staleFor(model: Model): number | null {
  if (model.snapshot === null) return null
  const age = model.now - model.receivedAt
  return model.failure !== null || age > STALE_MS ? age : null
}
