import { z } from 'zod'
import { FleetError } from './errors.ts'
import { LimitsSchema, RiskSchema } from './limits.ts'
import { type RoleSpec, RoleSpecSchema } from './role-spec.ts'
import { Timestamp, WeiSchema } from './schemas.ts'

/** A role's name: of one of ours (agent/roles/table.ts), or of any other that the manifest describes. */
export const RoleNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_]{1,30}$/, 'want 2 to 31 lower-case letters, digits and _, a letter first')
export type RoleName = z.infer<typeof RoleNameSchema>

/** The services beside the agents, in the order in which they start. `hub` is the container `mcp-coordinator`. */
export const SERVICE_NAMES = ['redis', 'rabbitmq', 'postgres', 'sandbox', 'hub', 'controller', 'bot'] as const
export const ServiceNameSchema = z.enum(SERVICE_NAMES)
export type ServiceName = z.infer<typeof ServiceNameSchema>

export const EngineNameSchema = z.enum(['docker', 'swarm', 'embedded'])
export type EngineName = z.infer<typeof EngineNameSchema>

export const ProfileSchema = z.enum(['mini', 'standard', 'full'])
export type Profile = z.infer<typeof ProfileSchema>

/** `ROLE-N`, N from 1: `executor-1`. */
export type ReplicaId = `${RoleName}-${number}`
export const replicaId = (role: RoleName, replica: number): ReplicaId => `${role}-${replica}`
export const ReplicaIdSchema = z.custom<ReplicaId>(
  (v) =>
    typeof v === 'string' &&
    /^[a-z][a-z0-9_]{1,30}-[1-9]\d*$/.test(v) &&
    !(SERVICE_NAMES as readonly string[]).includes(v.replace(/-\d+$/, '')),
  'want ROLE-N, such as executor-1',
)
export function parseReplicaId(id: string): { role: RoleName; replica: number } | undefined {
  if (!ReplicaIdSchema.safeParse(id).success) return undefined
  const dash = id.lastIndexOf('-')
  return { role: id.slice(0, dash), replica: Number(id.slice(dash + 1)) }
}

/** Wanted number of replicas of every role. */
export const CountsSchema = z.record(RoleNameSchema, z.int().min(0))
export type Counts = z.infer<typeof CountsSchema>

/** `config/fleet.yaml`, checked. */
export const FleetSpecSchema = z.strictObject({
  version: z.literal(1),
  roles: z.record(RoleNameSchema, RoleSpecSchema).describe('In the order in which they are shown and started.'),
  limits: LimitsSchema,
  risk: RiskSchema.default(() => RiskSchema.parse({})),
  planBlocks: z.int().min(2).max(1000).describe('Blocks that a plan may live after the block it was found in.'),
  minProfitWei: WeiSchema.describe(
    'The floor: an opportunity below this net profit (after flash premium and expected gas) is not published.',
  ),
})
export type FleetSpec = z.infer<typeof FleetSpecSchema>

export const roleNames = (spec: Pick<FleetSpec, 'roles'>): RoleName[] => Object.keys(spec.roles)

export const profileCounts = (spec: Pick<FleetSpec, 'roles'>, profile: Profile): Counts =>
  Object.fromEntries(Object.entries(spec.roles).map(([role, { counts }]) => [role, counts[profile]]))

/** @throws FleetError `not_found` */
export function roleSpec(spec: Pick<FleetSpec, 'roles'>, role: RoleName): RoleSpec {
  const found = spec.roles[role]
  if (found) return found
  throw new FleetError('not_found', `the manifest describes no role ${role}`, {
    remedy: `Its roles are ${roleNames(spec).join(', ')}.`,
  })
}

/** What the fleet should be: written by `up` and `scale`, read by the reconciler. Key `wanted`. */
export const WantedSchema = z.object({
  fleet: z.string(),
  engine: EngineNameSchema,
  profile: ProfileSchema,
  counts: CountsSchema,
  spec: FleetSpecSchema,
  specHash: z.string(),
  /** `sandbox`, or scheme and host of the node (never the whole URL: it is a secret). */
  chain: z.string(),
  chainId: z.int(),
  live: z.boolean(),
  /** The hub's port on 127.0.0.1. */
  hubPort: z.int(),
  /** Of the sandbox's traders. */
  seed: z.string(),
  /** Docker: reference of each image by what it is for (`agent`, `sandbox`, `redis`, …); empty when embedded. */
  images: z.record(z.string(), z.string()),
  writtenBy: z.string(),
  at: Timestamp,
})
export type Wanted = z.infer<typeof WantedSchema>

export const AgentStateSchema = z.enum(['starting', 'healthy', 'standby', 'unhealthy', 'draining', 'stopped'])
export type AgentState = z.infer<typeof AgentStateSchema>

export const ToolInfoSchema = z.object({
  name: z.string(),
  description: z.string(),
  inputSchema: z.record(z.string(), z.unknown()),
  outputSchema: z.record(z.string(), z.unknown()).optional(),
})
export type ToolInfo = z.infer<typeof ToolInfoSchema>

/** What an agent says of itself; it ends by itself when the agent stops renewing it. Key `agent/ID`. */
export const AgentRecordSchema = z.object({
  id: ReplicaIdSchema,
  role: RoleNameSchema,
  replica: z.int(),
  state: AgentStateSchema,
  /** Its MCP endpoint, as the hub reaches it. */
  url: z.string(),
  tools: z.array(ToolInfoSchema),
  startedAt: Timestamp,
  at: Timestamp,
  /** The opportunity it works on, if any. */
  task: z.string().optional(),
  tasksDone: z.int(),
  note: z.string().optional(),
  /** The hub says it, for an image that is not ours: it has no token, and must be given none. */
  byHub: z.literal(true).optional(),
  /** The message it took last: how long that had waited (milliseconds), and when it was taken. */
  took: z.object({ waitedMs: z.number().min(0), at: Timestamp }).optional(),
})
export type AgentRecord = z.infer<typeof AgentRecordSchema>

/** What a service that has no health check of its own says of itself. Key `service/NAME`. */
export const ServiceRecordSchema = z.object({
  name: ServiceNameSchema,
  state: z.enum(['starting', 'healthy', 'unhealthy']),
  url: z.string().optional(),
  at: Timestamp,
  note: z.string().optional(),
})
export type ServiceRecord = z.infer<typeof ServiceRecordSchema>

/** The kill switch. Absent or unreadable means set. Key `halt`. */
export const HaltSchema = z.object({
  set: z.boolean(),
  reason: z.string().nullable(),
  by: z.string(),
  at: Timestamp,
})
export type Halt = z.infer<typeof HaltSchema>

/** Whether a heartbeat is of the run that began at `startedAt`: that of the run before lives on for a moment. */
export const isBeatOf = (beat: { at: string }, startedAt: string | null): boolean =>
  startedAt === null || beat.at >= startedAt
