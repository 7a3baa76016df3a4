import type { ObservedUnit, Usage } from '../ports/engine/engine.ts'
import type { ChainInfo, Head } from '../protocol/chain.ts'
import type { Failure } from '../protocol/failure.ts'
import type { FileLock, FileLockView } from '../protocol/file-lock.ts'
import {
  type AgentRecord,
  type AgentState,
  type Halt,
  isBeatOf,
  type RoleName,
  replicaId,
  roleNames,
  type ServiceRecord,
  type Wanted,
} from '../protocol/fleet.ts'
import type { AgentView, ProfitPoint, RoleView, ServiceView, Snapshot, Totals } from '../protocol/snapshot.ts'
import type { Opportunity } from '../protocol/trade.ts'
import { wei } from '../protocol/units.ts'

/** All that was seen, at one time. */
export interface Seen {
  units: readonly ObservedUnit[]
  usage: ReadonlyMap<string, Usage>
  wanted: Wanted
  halt: Halt | undefined
  chain: ChainInfo | undefined
  head: Head | undefined
  agents: readonly AgentRecord[]
  services: readonly ServiceRecord[]
  locks: readonly FileLock[]
  failures: readonly Failure[]
  totals: Totals | undefined
  opportunities: Opportunity[]
  profit: ProfitPoint[]
}

/** A running agent that has not reported within this time is unhealthy, not starting. */
const BOOT_MS = 30_000

/** What was seen, as one picture. Pure. */
export function viewOf(seen: Seen, at: string): Omit<Snapshot, 'stale'> {
  const agents = agentViews(seen, at)
  const { wanted, chain, totals } = seen
  const services = serviceViews(seen)
  return {
    fleet: wanted.fleet,
    engine: wanted.engine,
    profile: wanted.profile,
    roles: roleNames(wanted.spec).map((role) => roleView(role, wanted.counts[role] ?? 0, agents)),
    services,
    failures: [...seen.failures].sort((a, b) => b.at.localeCompare(a.at)),
    chain: {
      id: wanted.chainId,
      head: seen.head?.number ?? null,
      sandbox: wanted.chain === 'sandbox',
      instance: chain?.chainInstance ?? null,
      name: wanted.chain,
    },
    // Not known is set: no executor signs then.
    halt: seen.halt
      ? { set: seen.halt.set, reason: seen.halt.reason }
      : { set: true, reason: 'halt is not in shared memory' },
    trades: {
      executed: totals?.executed ?? 0,
      reverted: totals?.reverted ?? 0,
      refused: totals?.refused ?? 0,
      expired: totals?.expired ?? 0,
    },
    profitWei: wei((totals?.profitWei ?? 0n) - (totals?.gasWei ?? 0n)),
    live: wanted.live,
    hubUrl: services.find((service) => service.name === 'hub')?.url ?? null,
    at,
    agents,
    locks: lockViews(seen.locks, at),
    opportunities: seen.opportunities,
    profit: seen.profit,
    tokens: chain?.tokens ?? [],
  }
}

/** What has ended by itself is gone, though nobody has taken it out yet. */
function lockViews(locks: readonly FileLock[], at: string): FileLockView[] {
  return locks.flatMap(({ path, holder, waiting: all }) => {
    const held = holder && holder.until > at ? holder : null
    const waiting = all.filter(({ until }) => until > at).map(({ owner, since }) => ({ owner, since }))
    if (!held && waiting.length === 0) return []
    return [
      {
        path,
        owner: held?.owner ?? null,
        token: held?.token ?? null,
        since: held?.since ?? null,
        until: held?.until ?? null,
        waiting,
      },
    ]
  })
}

function agentViews(seen: Seen, at: string): AgentView[] {
  const order = roleNames(seen.wanted.spec)
  const records = new Map(seen.agents.map((record) => [record.id, record]))
  const failures = new Map(seen.failures.map((failure) => [failure.id, failure]))
  return seen.units
    .flatMap((observed) => {
      const { unit } = observed
      if (unit.kind !== 'agent') return []
      const id = replicaId(unit.role, unit.replica)
      const said = records.get(id)
      const record = said && isBeatOf(said, observed.startedAt) ? said : undefined
      const state = agentState(observed, record, at)
      const failure = isHealthy({ state }) ? undefined : failures.get(id)
      const usage = seen.usage.get(observed.id)
      const view: AgentView = {
        id,
        role: unit.role,
        state,
        url: record?.url ?? null,
        startedAt: observed.startedAt,
        restarts: observed.restarts,
        task: record?.task ?? null,
        tasksDone: record?.tasksDone ?? 0,
        note: record?.note ?? (failure ? failureText(failure) : null),
        cpuPercent: usage?.cpuPercent ?? null,
        memoryBytes: usage?.memoryBytes ?? null,
      }
      return [{ view, order: order.indexOf(unit.role) * 1_000 + unit.replica }]
    })
    .sort((a, b) => a.order - b.order)
    .map(({ view }) => view)
}

/** Why a unit is not healthy, from its last failure: what happened, how often, and what it said last. */
const failureText = ({ cause, count, lines }: Failure): string =>
  `${cause}${count > 1 ? `, ${count} times in a row` : ''}${lines.length > 0 ? `: ${lines.at(-1)}` : ''}`

function agentState(unit: ObservedUnit, record: AgentRecord | undefined, at: string): AgentState {
  if (unit.state !== 'running') return unit.state === 'created' ? 'starting' : 'stopped'
  if (record) return record.state
  const age = unit.startedAt === null ? 0 : Date.parse(at) - Date.parse(unit.startedAt)
  return age < BOOT_MS ? 'starting' : 'unhealthy'
}

/** Running: the engine runs it. Healthy: it says so itself, and lately. */
function roleView(role: RoleName, want: number, agents: readonly AgentView[]): RoleView {
  const own = agents.filter((agent) => agent.role === role)
  const running = own.filter((agent) => agent.state !== 'stopped')
  return {
    role,
    want,
    running: running.length,
    healthy: own.filter(isHealthy).length,
    restarts: own.reduce((sum, agent) => sum + agent.restarts, 0),
    cpuPercent: sumOrNull(running.map((agent) => agent.cpuPercent)),
    memoryBytes: sumOrNull(running.map((agent) => agent.memoryBytes)),
  }
}

export const isHealthy = (agent: { state: AgentState }): boolean =>
  agent.state === 'healthy' || agent.state === 'standby'

function sumOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0)
}

/** Services that the engine runs, and those that only say of themselves that they live (the embedded controller). */
function serviceViews(seen: Seen): ServiceView[] {
  const ran = runServices(seen)
  const others = seen.services.filter((record) => ran.every((service) => service.name !== record.name))
  return [
    ...ran,
    ...others.map((record) => ({ name: record.name, state: 'running', health: record.state, url: record.url ?? null })),
  ]
}

function runServices(seen: Seen): ServiceView[] {
  return seen.units.flatMap(({ unit, state, health, ports }) => {
    if (unit.kind !== 'service') return []
    const record = seen.services.find((service) => service.name === unit.service)
    const port = Object.values(ports)[0]
    const url =
      port === undefined ? (record?.url ?? null) : `${unit.service === 'hub' ? 'http://' : ''}127.0.0.1:${port}`
    return [
      {
        name: unit.service,
        state,
        health: record?.state ?? health ?? (state === 'running' ? 'starting' : 'stopped'),
        url,
      },
    ]
  })
}
