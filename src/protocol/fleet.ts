import { z } from 'zod'
import { BigIntSchema, RawSchema, Timestamp, WeiSchema } from './schemas.ts'
import { wei } from './units.ts'

export const ROLE_NAMES = [
  'code_indexer',
  'builder',
  'test_writer',
  'executor',
  'coordinator',
  'planner',
  'fixer',
  'ui_coder',
  'reviewer',
  'admin',
] as const
export const RoleNameSchema = z.enum(ROLE_NAMES)
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
    /^[a-z_]+-[1-9]\d*$/.test(v) &&
    (ROLE_NAMES as readonly string[]).includes(v.replace(/-\d+$/, '')),
  'want ROLE-N, such as executor-1',
)
export function parseReplicaId(id: string): { role: RoleName; replica: number } | undefined {
  if (!ReplicaIdSchema.safeParse(id).success) return undefined
  const dash = id.lastIndexOf('-')
  return { role: id.slice(0, dash) as RoleName, replica: Number(id.slice(dash + 1)) }
}

/** Wanted number of replicas of every role. */
export const CountsSchema = z.record(RoleNameSchema, z.int().min(0))
export type Counts = z.infer<typeof CountsSchema>

const exposure = {
  /** Largest loan of one trade, raw units of the token that is lent. */
  maxInputRawPerTrade: RawSchema,
  /** Sum of the loans of one hour and one executor, raw units of the token that is lent. */
  maxInputRawPerHour: RawSchema,
}
/** Hard limits of an executor, enforced where the key is. */
export const LimitsSchema = z.strictObject({
  /** The chain that these limits were set for, on purpose, by its id: --live refuses on any other. */
  setForChain: z.int().min(1).optional(),
  /** Of the wrapped native token. */
  ...exposure,
  /** The same for other tokens that are lent, by address or symbol; a token that is not named here is not borrowed. */
  tokens: z.record(z.string(), z.strictObject(exposure)).default({}),
  maxGasPerTrade: BigIntSchema,
  maxFeePerGasWei: WeiSchema,
  /** Gas lost by reverts, less what was earned, in a day (UTC) and by one executor: at this much it stops until the next. */
  maxLossWeiPerDay: WeiSchema.default(wei(10n ** 17n)),
  /** So many trades of one executor that reverted, one after another, stop it until an operator's `resume`. */
  maxFailuresInARow: z.int().min(1).default(20),
  /** The head that a decision rests on may be so old, and lag the newest by so much. */
  maxHeadAgeSeconds: z.int().min(1).default(60),
  maxHeadLagBlocks: z.int().min(0).default(2),
})
export type Limits = z.infer<typeof LimitsSchema>

/** What may be traded at all; judged before a plan is made. Tokens and pools by address, tokens also by symbol. */
export const RiskSchema = z.strictObject({
  /** Where given, nothing else is traded. */
  allowTokens: z.array(z.string()).default([]),
  denyTokens: z.array(z.string()).default([]),
  denyPools: z.array(z.string()).default([]),
  /** Least value of one side of a pool, in native units. */
  minDepthWei: WeiSchema.default(wei(10n ** 16n)),
  /** Least age of a pool, where its creation is known. */
  minPoolAgeBlocks: z.int().min(0).default(0),
  /** A plan above this score (0 to 100) is refused. */
  maxScore: z.int().min(0).max(100).default(80),
  /** A token whose transfer takes more than this is refused. */
  maxTokenTaxBps: z.int().min(0).max(10_000).default(0),
})
export type Risk = z.infer<typeof RiskSchema>

export const RoleSpecSchema = z.strictObject({
  description: z.string().min(1),
  priority: z.enum(['critical', 'high', 'medium', 'low']),
  firstPort: z.int().min(1024).max(65535),
  counts: z.strictObject({
    mini: z.int().min(0).max(50),
    standard: z.int().min(0).max(50),
    full: z.int().min(0).max(50),
  }),
  max: z.int().min(1).max(50),
  memoryMb: z.int().min(32).max(8192),
  capabilities: z.array(z.string().min(1)).min(1),
})

/** `config/fleet.yaml`, checked. */
export const FleetSpecSchema = z.strictObject({
  version: z.literal(1),
  roles: z.strictObject(
    Object.fromEntries(ROLE_NAMES.map((r) => [r, RoleSpecSchema])) as Record<RoleName, typeof RoleSpecSchema>,
  ),
  limits: LimitsSchema,
  risk: RiskSchema.default(() => RiskSchema.parse({})),
  /** Blocks that a plan may live after the block it was found in. */
  planBlocks: z.int().min(2).max(1000),
  /** The floor: an opportunity below this net profit (after flash premium and expected gas) is not published. */
  minProfitWei: WeiSchema,
})
export type FleetSpec = z.infer<typeof FleetSpecSchema>

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
