import type { Delivery, TaskBus } from '../src/ports/bus/bus.ts'
import type { History } from '../src/ports/history/history.ts'
import type { SharedMemory } from '../src/ports/memory/memory.ts'
import { asFleetError } from '../src/protocol/errors.ts'
import { type Limits, type ReplicaId, type Risk, RiskSchema, type RoleName } from '../src/protocol/fleet.ts'
import type { LogLevel } from '../src/protocol/records.ts'
import type { BusMessage } from '../src/protocol/task.ts'
import type { Hex } from '../src/protocol/units.ts'
import { announce, type Presence } from './agent-record.ts'
import { toolsOf } from './agent-tools.ts'
import { knownInstance, openChainAccess } from './chain-access.ts'
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
  /** Executors only: all private keys of the fleet, in order. */
  keys?: () => Promise<readonly Hex[]>
  /** Roles with a chain only, where the chain's description has no URL. */
  rpcUrl?: () => Promise<string>
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
  /** Aborting it stops the agent with the default grace. */
  signal: AbortSignal
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

/**
 * Runs one agent: serves its tools, says that it is there, takes its role's tasks one by one and reports each.
 * Resolves when it takes tasks, or stands by.
 * @throws FleetError when shared memory cannot be reached, or its tools cannot be served
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const { id, memory, bus, log } = options
  const role = await ROLES[options.role]()
  const life = new AbortController()
  const access = openChainAccess({
    memory,
    openRpc: async (url) => (await import('./dex/rpc.ts')).openRpc(url),
    signal: life.signal,
    ...(options.rpcUrl && { rpcUrl: options.rpcUrl }),
    ...(options.submitUrl && { submitUrl: options.submitUrl }),
  })
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
    await presence.become('draining')
    const steps = [
      () => intake.close(graceMs),
      async () => life.abort(),
      async () => endRole?.(),
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
  const stop = (graceMs = STOP_GRACE_MS): Promise<void> => {
    ending ??= end(graceMs).then(left)
    return ending
  }
  if (options.signal.aborted) await stop()
  options.signal.addEventListener('abort', () => void stop(), { once: true })
  return { stop, done, url }
}

interface Worker {
  role: Role
  context: RoleContext
  presence: Presence
}

async function handle({ role, context, presence }: Worker, message: BusMessage, delivery: Delivery): Promise<void> {
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
