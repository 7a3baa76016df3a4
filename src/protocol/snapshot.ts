import { z } from 'zod'
import { FailureSchema } from './failure.ts'
import { FileLockViewSchema } from './file-lock.ts'
import { AgentStateSchema, EngineNameSchema, ProfileSchema, ReplicaIdSchema, RoleNameSchema } from './fleet.ts'
import { HashSchema, Timestamp, WeiSchema } from './schemas.ts'
import { OpportunitySchema } from './trade.ts'
import { wei } from './units.ts'

export const RoleViewSchema = z.object({
  role: RoleNameSchema,
  want: z.int(),
  running: z.int(),
  healthy: z.int(),
  restarts: z.int(),
  /** 100 is one core; null where it cannot be told apart (embedded agents share one process). */
  cpuPercent: z.number().nullable(),
  memoryBytes: z.number().nullable(),
})
export type RoleView = z.infer<typeof RoleViewSchema>

export const AgentViewSchema = z.object({
  id: ReplicaIdSchema,
  role: RoleNameSchema,
  state: AgentStateSchema,
  url: z.string().nullable(),
  startedAt: Timestamp.nullable(),
  restarts: z.int(),
  task: z.string().nullable(),
  tasksDone: z.int(),
  note: z.string().nullable(),
  cpuPercent: z.number().nullable(),
  memoryBytes: z.number().nullable(),
})
export type AgentView = z.infer<typeof AgentViewSchema>

export const ServiceViewSchema = z.object({
  name: z.string(),
  state: z.string(),
  health: z.string(),
  url: z.string().nullable(),
})
export type ServiceView = z.infer<typeof ServiceViewSchema>

/** `status --json`: the contract of cli.md. */
export const StatusSchema = z.object({
  fleet: z.string(),
  engine: EngineNameSchema,
  profile: ProfileSchema,
  roles: z.array(RoleViewSchema),
  services: z.array(ServiceViewSchema),
  /** Of the last ten minutes, newest first, one a unit. */
  failures: z.array(FailureSchema).default([]),
  chain: z.object({
    id: z.int(),
    head: z.int().nullable(),
    sandbox: z.boolean(),
    instance: z.string().nullable(),
    name: z.string(),
  }),
  halt: z.object({ set: z.boolean(), reason: z.string().nullable() }),
  /** Of this chain instance only. */
  trades: z.object({ executed: z.int(), reverted: z.int(), refused: z.int(), expired: z.int() }),
  /** Sum of what the contract kept minus gas, of this chain instance. */
  profitWei: WeiSchema,
  live: z.boolean(),
  hubUrl: z.string().nullable(),
  at: Timestamp,
})

/** One point of the chart: the running sum after a reviewed execution. */
export const ProfitPointSchema = z.object({ at: Timestamp, id: HashSchema, profitWei: WeiSchema, totalWei: WeiSchema })
export type ProfitPoint = z.infer<typeof ProfitPointSchema>

/** One live picture of everything: what the screen shows. */
export const SnapshotSchema = StatusSchema.extend({
  agents: z.array(AgentViewSchema),
  /** Files of the shared project that somebody holds or waits for, by path. */
  locks: z.array(FileLockViewSchema).default([]),
  /** Newest first, at most 100. */
  opportunities: z.array(OpportunitySchema),
  /** Oldest first, at most 500. */
  profit: z.array(ProfitPointSchema),
  tokens: z.array(z.object({ address: z.string(), symbol: z.string(), decimals: z.int() })),
  /** What could not be seen just now and how old what is shown is; empty when all is fresh. */
  stale: z.array(z.object({ source: z.string(), since: Timestamp, message: z.string() })),
})
export type Snapshot = z.infer<typeof SnapshotSchema>

/** Running sums of one chain instance. Key `totals/INSTANCE`. `counted` guards against counting a trade twice. */
export const TotalsSchema = z.object({
  executed: z.int(),
  reverted: z.int(),
  refused: z.int(),
  expired: z.int(),
  profitWei: WeiSchema,
  gasWei: WeiSchema,
  counted: z.array(z.string()),
  /** Corrections of executions (agent/roles/sending/corrections.ts) that are in the sums. */
  corrected: z.array(z.string()).optional(),
})
export type Totals = z.infer<typeof TotalsSchema>
/** Before the first trade of a chain instance. */
export const NO_TOTALS: Totals = {
  executed: 0,
  reverted: 0,
  refused: 0,
  expired: 0,
  profitWei: wei(0n),
  gasWei: wei(0n),
  counted: [],
}

/** True when exactly the wanted agents run, all of them healthy, and every service too. */
export function isWhole(snapshot: Pick<Snapshot, 'roles' | 'agents' | 'services'>): boolean {
  const rolesFit = snapshot.roles.every((role) => role.want === role.healthy && role.running === role.want)
  const noSurplus = snapshot.agents.length === snapshot.roles.reduce((sum, role) => sum + role.want, 0)
  return (
    rolesFit &&
    noSurplus &&
    snapshot.services.every((service) => service.state === 'running' && service.health === 'healthy')
  )
}
