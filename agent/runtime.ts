import type { Delivery, TaskBus } from '../src/ports/bus/bus.ts'
import type { History } from '../src/ports/history/history.ts'
import type { SharedMemory } from '../src/ports/memory/memory.ts'
import { asFleetError, FleetError } from '../src/protocol/errors.ts'
import type { ReplicaId, RoleName } from '../src/protocol/fleet.ts'
import { type Limits, type Risk, RiskSchema } from '../src/protocol/limits.ts'
import type { LogLevel } from '../src/protocol/records.ts'
import type { BusMessage } from '../src/protocol/task.ts'
import type { Hex } from '../src/protocol/units.ts'
import { announce, type Presence } from './agent-record.ts'
import { toolsOf } from './agent-tools.ts'
import { knownInstance, openChainAccess } from './chain-access.ts'
import type { Rpc } from './dex/rpc.ts'
import { openIntake } from './intake.ts'
import { serveMcp } from './mcp.ts'
import { perform } from './perform.ts'
import type { Role, RoleContext } from './role.ts'
import { ROLES } from './roles/table.ts'

const MESSAGES_IN_HAND = 4

export interface AgentOptions {
  id: ReplicaId
  role: RoleName
  /** From 1. */
  replica: number
  memory: SharedMemory
  bus: TaskBus
  history: History
  limits: Limits
  /** Default: what RiskSchema takes where nothing is said. */
  risk?: Risk
  /** True where transactions are really sent: the sandbox, or `--live`. */
  live: boolean
  /** The shared project's folder, where there is one. */
  projectDir?: string
  /** Executors only: all private keys of the fleet, in order. */
  keys?: () => Promise<readonly Hex[]>
  /** Roles with a chain only, where the chain's description has no URL. */
  rpcUrl?: () => Promise<string>
  /** How a node is connected to; `openRpc` of dex/rpc.ts unless told. */
  openRpc?: (url: string) => Promise<Rpc>
  /** Executors only, where transactions go to a private RPC. */
  submitUrl?: () => Promise<string>
  mcp: {
    /** 127.0.0.1, or 0.0.0.0 in a container. */
    host: string
    /** Wanted; a free one is taken when it is taken already. */
    port: number
    token: string
    /** The name under which others reach this host; `host` unless told. */
    advertise?: string
  }
  version: string
  log(level: LogLevel, message: string): void
  /** Aborting it stops the agent. */
  signal: AbortSignal
  /** From then to its kill: what it has for the task in hand, and to leave. 10 s unless told. */
  graceMs?: number
}

export interface RunningAgent {
  /** Drains: takes nothing new, waits up to graceMs for the task in hand, returns it otherwise, and leaves. May be repeated. */
  stop(graceMs?: number): Promise<void>
  /** Resolves when it has left. */
  done: Promise<void>
  /** Its MCP endpoint, as others reach it. */
  url: string
}

const STOP_GRACE_MS = 10_000
/** Of the grace: to return what is in hand, and to take its record away. */
const LEAVE_MS = 1_000

/**
 * Runs one agent: serves its tools, says that it is there, takes its role's tasks one by one and reports each.
 * Resolves when it takes tasks, or stands by.
 * @throws FleetError when shared memory cannot be reached, or its tools cannot be served
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { id, memory, bus, log } = options
  const role = await roleOf(options.role)
  const life = new AbortController()
  const access = openChainAccess({
    memory,
    openRpc: options.openRpc ?? (async (url) => (await import('./dex/rpc.ts')).openRpc(url)),
    signal: life.signal,
    ...(options.rpcUrl && { rpcUrl: options.rpcUrl }),
    ...(options.submitUrl && { submitUrl: options.submitUrl }),
  })
  const project =
    options.projectDir === undefined
      ? undefined
      : (await import('./project/project.ts')).openProject(options.projectDir, { memory, owner: id, log })
  const context: RoleContext = {
    id,
    role: role.name,
    memory,
    bus,
    history: options.history,
    chain: access.chain,
    rpc: access.rpc,
    ...(access.submitRpc && { submitRpc: access.submitRpc }),
    limits: options.limits,
    risk: options.risk ?? RiskSchema.parse({}),
    live: options.live,
    ...(options.keys && { keys: options.keys }),
    ...(project && { project }),
    log,
    setStandby: (why) => intake.standby(why),
  }
  const tools = toolsOf(role, context)
  const serving = await serveMcp({ ...options.mcp, name: id, version: options.version, fallback: true, tools })
  const url = `http://${options.mcp.advertise ?? options.mcp.host}:${serving.port}/mcp`
  const shown = tools.map(({ name, description, inputSchema, outputSchema }) => ({
    name,
    description,
    inputSchema,
    ...(outputSchema && { outputSchema }),
  }))
  const { replica } = options
  log('info', `serves ${tools.length} MCP ${tools.length === 1 ? 'tool' : 'tools'} on port ${serving.port}`)
  const presence = await announce({ memory, record: { id, role: role.name, replica, url, tools: shown }, log })
  const intake = openIntake({
    bus,
    role: role.name,
    prefetch: role.prefetch ?? MESSAGES_IN_HAND,
    handle: (message, delivery) => handle({ role, context, presence }, message, delivery),
    become: presence.become,
  })
  const endRole = await role.start?.(context)
  await intake.open()

  const end = async (graceMs: number): Promise<void> => {
    // At once: what it would take while it says so might not be done in time.
    const closing = intake.close(graceMs)
    closing.catch(() => undefined) // it is met again below
    const steps = [
      () => presence.become('draining'),
      () => closing,
      async () => life.abort(),
      async () => endRole?.(),
      async () => project?.locks.close(),
      () => serving.close(),
      async () => access.close(),
      () => presence.become('stopped'),
      () => presence.leave(),
    ]
    // One that fails must not keep the others from ending; what is left in shared memory ends by itself.
    for (const step of steps) {
      await step().catch((thrown: unknown) => log('warn', `stopping: ${asFleetError(thrown).message}`))
    }
  }
  let ending: Promise<void> | undefined
  let left: () => void = () => undefined
  const done = new Promise<void>((resolve) => {
    left = resolve
  })
  const stop = (graceMs = Math.max(0, (options.graceMs ?? STOP_GRACE_MS) - LEAVE_MS)): Promise<void> => {
    ending ??= end(graceMs).then(left)
    return ending
  }
  if (options.signal.aborted) await stop()
  options.signal.addEventListener('abort', () => void stop(), { once: true })
  return { stop, done, url }
}

async function roleOf(name: RoleName): Promise<Role> {
  const load = ROLES[name]
  if (load) return load()
  throw new FleetError('config_invalid', `there is no code for the role ${name}`, {
    remedy: `Give it an image in the manifest, or name one of ${Object.keys(ROLES).join(', ')}.`,
  })
}

interface Worker {
  role: Role
  context: RoleContext
  presence: Presence
}

async function handle({ role, context, presence }: Worker, message: BusMessage, delivery: Delivery): Promise<void> {
  presence.took(delivery.publishedAt)
  if (role.receive) {
    await role.receive(message, delivery, context)
    return presence.done()
  }
  if (message.kind !== 'task' || !role.stage || message.stage !== role.stage.stage) {
    return context.log('warn', `dropped a message that is not for a ${role.name}: ${message.kind}`)
  }
  const instance = await knownInstance(context.memory)
  if (instance !== null && instance !== message.chainInstance) {
    return context.log('info', `dropped ${message.taskId}: it is of another chain instance`)
  }
  presence.working(message.opportunityId)
  try {
    const result = await perform(role.stage, message, context, delivery.signal)
    await context.bus.publish('coordinator', result)
    context.log('info', `${result.stage} ${result.outcome} in ${result.ms} ms: ${result.opportunityId}`)
    presence.done()
  } finally {
    presence.working(null)
  }
}
