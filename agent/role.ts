import type { z } from 'zod'
import type { Delivery, TaskBus } from '../src/ports/bus/bus.ts'
import type { History } from '../src/ports/history/history.ts'
import type { SharedMemory } from '../src/ports/memory/memory.ts'
import type { ChainInfo } from '../src/protocol/chain.ts'
import type { RoleName } from '../src/protocol/fleet.ts'
import type { Limits, Risk } from '../src/protocol/limits.ts'
import type { LogLevel } from '../src/protocol/records.ts'
import type { BusMessage, Outcome, Stage, StageInput, StageOutput } from '../src/protocol/task.ts'
import type { Rpc } from './dex/rpc.ts'
import type { Project } from './project/project.ts'

/** What a role is handed. `chain`, `rpc` only for roles that runtime.md gives the chain; `keys` only for executors. */
export interface RoleContext {
  id: string
  role: RoleName
  memory: SharedMemory
  bus: TaskBus
  history: History
  /** The chain's description, awaited at start and kept fresh: another instance replaces it. */
  chain(): Promise<ChainInfo>
  /** A JSON-RPC connection to that chain. */
  rpc(): Promise<Rpc>
  /** Executors only, where the chain says `submit: private`: a connection to the private RPC. */
  submitRpc?(): Promise<Rpc>
  /** Limits of the fleet, from the read-only file. */
  limits: Limits
  /** What may be traded at all, from the same place. */
  risk: Risk
  /** True where transactions are really sent: the sandbox, or `--live`. */
  live: boolean
  /** Private keys, 0x and 64 hex digits, replica n uses the n-th; read from the secrets folder by executors only. */
  keys?: () => Promise<readonly `0x${string}`[]>
  /** What all agents of the fleet share; absent where the agent was started without one. */
  project?: Project
  log(level: LogLevel, message: string): void
  /** Says `standby` (healthy, takes no task) or back. */
  setStandby(why: string | null): void
}

/** How a stage ends; see protocol/task.ts. */
export interface StageResult<S extends Stage> {
  outcome: Outcome
  reason?: string
  /** With `ok`, and with `failed` where there is something to mend from. */
  output?: StageOutput[S]
}

export interface StageTask<S extends Stage> {
  input: StageInput[S]
  opportunityId: `0x${string}`
  attempt: number
  expiresBlock: number
  signal: AbortSignal
}

/** One stage of a trade, done by one role. Idempotent on (opportunityId, stage, attempt). */
export interface StageHandler<S extends Stage> {
  stage: S
  /** Name and description of the MCP tool that does the same for one input. */
  tool: { name: string; description: string }
  /** True: `run` itself tells what is expired. The executor must look for what it has sent first. */
  decidesExpiry?: boolean
  /** Throwing a transient FleetError returns the task to the queue; any other error refuses the trade, in its words. */
  run(task: StageTask<S>, context: RoleContext): Promise<StageResult<S>>
}

/** A tool beside the stage's. */
export interface RoleTool {
  name: string
  description: string
  input: z.ZodObject
  run(input: Record<string, unknown>, context: RoleContext): Promise<unknown>
}

export interface Role {
  name: RoleName
  stage?: { [S in Stage]: StageHandler<S> }[Stage]
  tools: readonly RoleTool[]
  /** Takes what lies in the role's queue as it is, in place of a stage (coordinators). Throwing returns the message. */
  receive?(message: BusMessage, delivery: Delivery, context: RoleContext): Promise<void>
  /** Messages in hand at once; 4 unless told: most of a stage is waiting for the chain. */
  prefetch?: number
  /** Work of its own beside tasks, begun before the first of them. Returns how to stop it, after the last of them. */
  start?(context: RoleContext): Promise<() => Promise<void>>
}
