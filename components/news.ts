import type { FleetEvent } from '../src/protocol/event.ts'
import type { RoleName } from '../src/protocol/fleet.ts'
import type { LogLine } from '../src/protocol/records.ts'
import type { Snapshot } from '../src/protocol/snapshot.ts'
import { LOG_LINES, type LogScope, type Model, type Notice, type Startup } from './model.ts'

/** What comes from the fleet, as pure functions from model to model. */

const NOTES = 50
const NOTICE_MS = { info: 4_000, error: 10_000 } as const

export function withSnapshot(model: Model, snapshot: Snapshot, now: number): Model {
  const last = (s: Snapshot | null) => `${s?.profit.length}/${s?.profit.at(-1)?.id}/${s?.profit.at(-1)?.totalWei}`
  const changed = last(model.snapshot) !== last(snapshot)
  return {
    ...model,
    now,
    snapshot: { ...snapshot, roles: weighed(snapshot.roles, model.snapshot?.roles ?? []) },
    receivedAt: now,
    failure: null,
    fleet: snapshot.fleet,
    engine: snapshot.engine,
    profitVersion: model.profitVersion + (changed ? 1 : 0),
    pending: stillPending(model.pending, snapshot),
  }
}

/** What the roles use; it is asked for apart from the pictures, and less often. */
export function withUsage(model: Model, roles: Snapshot['roles']): Model {
  const { snapshot } = model
  return snapshot === null
    ? model
    : { ...model, snapshot: { ...snapshot, roles: weighed(unweighed(snapshot.roles), roles) } }
}

/** The roles, with the use that is known of each where they do not say it themselves. */
const weighed = (roles: Snapshot['roles'], known: Snapshot['roles']): Snapshot['roles'] =>
  roles.map((view) => {
    const use = known.find(({ role }) => role === view.role)
    return {
      ...view,
      cpuPercent: view.cpuPercent ?? use?.cpuPercent ?? null,
      memoryBytes: view.memoryBytes ?? use?.memoryBytes ?? null,
    }
  })

const unweighed = (roles: Snapshot['roles']): Snapshot['roles'] =>
  roles.map((view) => ({ ...view, cpuPercent: null, memoryBytes: null }))

/** Drops what the fleet wants by now. */
function stillPending(pending: Model['pending'], snapshot: Snapshot): Model['pending'] {
  const open = Object.entries(pending).filter(
    ([role, count]) => snapshot.roles.find((view) => view.role === role)?.want !== count,
  )
  return Object.fromEntries(open)
}

/** The answer to a wish: it is dropped, and what is wanted now (null: as before) shows without waiting for a picture. */
export function withWanted(model: Model, role: RoleName, want: number | null): Model {
  const { [role]: _wish, ...pending } = model.pending
  const { snapshot } = model
  if (snapshot === null || want === null) return { ...model, pending }
  const roles = snapshot.roles.map((view) => (view.role === role ? { ...view, want } : view))
  return { ...model, pending, snapshot: { ...snapshot, roles } }
}

export function withFailure(model: Model, reason: string): Model {
  return model.failure === reason ? model : { ...model, failure: reason }
}

export function withNotice(model: Model, level: Notice['level'], text: string): Model {
  return { ...model, notice: { level, text, until: model.now + NOTICE_MS[level] } }
}

/** Ages grow and notices go. */
export function withTime(model: Model, now: number): Model {
  const notice = model.notice && model.notice.until > now ? model.notice : null
  return { ...model, now, notice }
}

/** Appends log lines and lets the oldest fall out. */
export function withLogLines(model: Model, lines: readonly LogLine[]): Model {
  const all = [...model.logs.lines, ...lines]
  const over = Math.max(0, all.length - LOG_LINES)
  return {
    ...model,
    logs: { ...model.logs, lines: all.slice(over), first: model.logs.first + over, failure: null },
  }
}

/** Begins another stream: nothing of the former one stays. */
export function withLogScope(model: Model, scope: LogScope): Model {
  return { ...model, logs: { scope, lines: [], first: 0, failure: null }, look: { ...model.look, logEnd: null } }
}

/** One step of the start. */
export function withProgress(model: Model, event: FleetEvent): Model {
  const { startup } = model
  switch (event.type) {
    case 'service': {
      const entry = { name: event.name, state: event.state, note: event.note ?? '' }
      return withStartup(model, { services: put(startup.services, entry, (s) => s.name === event.name) })
    }
    case 'agent': {
      const entry = { id: event.id, state: event.state }
      return withStartup(model, { agents: put(startup.agents, entry, (a) => a.id === event.id) })
    }
    case 'note': {
      const note = { at: event.at, level: event.level, message: event.message }
      return withStartup(model, { notes: [...startup.notes, note].slice(-NOTES) })
    }
    case 'step': {
      const note = { at: event.at, level: 'info' as const, message: `${event.kind} ${event.id}: ${event.cause}` }
      return withStartup(model, { notes: [...startup.notes, note].slice(-NOTES) })
    }
    default:
      return model
  }
}

const withStartup = (model: Model, change: Partial<Startup>): Model => ({
  ...model,
  startup: { ...model.startup, ...change },
})

function put<T>(list: readonly T[], entry: T, same: (one: T) => boolean): readonly T[] {
  return list.some(same) ? list.map((one) => (same(one) ? entry : one)) : [...list, entry]
}
