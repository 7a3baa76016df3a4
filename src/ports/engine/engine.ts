import type { RoleName, ServiceName } from '../../protocol/fleet.ts'
import type { LogLine } from '../../protocol/records.ts'

/**
 * Runs the units of one fleet: agents and services. Sees and touches nothing but this fleet's units.
 *
 * `list` tells the whole truth or throws FleetError `engine_unreachable` (transient): an empty list means that nothing
 * runs. `start` and `stop` may be repeated: starting what runs with the same specHash, and stopping what is not there,
 * change nothing.
 */
export interface Engine {
  readonly name: 'docker' | 'embedded'
  list(): Promise<ObservedUnit[]>
  /** Makes the unit run as described; one that exists with another specHash, or that has exited, is replaced. Resolves when it is started, not when it is healthy. */
  start(unit: UnitSpec): Promise<void>
  /** Asks it to end, waits up to graceMs, then ends it; with `remove` it and its logs are gone afterwards. */
  stop(id: string, options: { graceMs: number; remove: boolean }): Promise<void>
  /** Lines in time order: the last `tail`, then, with `follow`, what comes until the signal aborts or the unit ends. */
  logs(id: string, options: LogOptions, signal: AbortSignal): AsyncIterable<LogLine>
  /** Yields when something may have changed; a nudge carries no news. Reconnects for ever. */
  changes(signal: AbortSignal): AsyncIterable<void>
  /** CPU (100 is one core) and memory of running units; units that cannot be told apart are left out. */
  usage(ids: readonly string[]): Promise<Map<string, Usage>>
  close(): Promise<void>
}

export interface LogOptions {
  tail: number
  follow: boolean
  /** ISO 8601 */
  since?: string
}

export interface Usage {
  cpuPercent: number
  memoryBytes: number
}

export type UnitKind = { kind: 'agent'; role: RoleName; replica: number } | { kind: 'service'; service: ServiceName }

export interface UnitSpec {
  /** `executor-1`, `hub`: unique in the fleet. The container's name is made from it (cli.md, "Names"). */
  id: string
  unit: UnitKind
  /** Hash of all that is below: another hash, another container. */
  specHash: string
  image: string
  /** Arguments after the image's entrypoint; empty: the image's own. */
  command: readonly string[]
  env: Readonly<Record<string, string>>
  user?: string
  mounts: readonly { volume: string; target: string; readOnly: boolean }[]
  /** Published on 127.0.0.1. `host` 0 takes a free one. */
  ports: readonly { container: number; host: number }[]
  /**
   * Names of networks (without the fleet's prefix). On each it answers to its id, to the container's name, and to
   * `ID.NETWORK`, which is known on that network alone.
   */
  networks: readonly string[]
  /** One of its networks leads out: only then it may look up names of the outside. */
  reachesOut?: boolean
  memoryBytes?: number
  /** Cores; the engine gives at most what the machine has. */
  cpus?: number
  /** Processes and threads. */
  pids?: number
  /** From the request to stop to the kill, when nobody says another; 10 s unless told. */
  graceMs?: number
  capAdd?: readonly string[]
  readOnlyRoot: boolean
  tmpfs: readonly string[]
  hostname?: string
  /** Mounts the Docker socket, and the machine's cgroups to read what containers use: the controller alone. */
  dockerSocket?: boolean
  health?: { test: readonly string[]; intervalMs: number; timeoutMs: number; retries: number; startPeriodMs: number }
}

export interface ObservedUnit {
  id: string
  unit: UnitKind
  specHash: string
  state: 'created' | 'running' | 'exited'
  exitCode: number | null
  oomKilled: boolean
  startedAt: string | null
  /** What the engine's own health check says; null when it has none. */
  health: 'starting' | 'healthy' | 'unhealthy' | null
  /** Container port to the port on 127.0.0.1. */
  ports: Readonly<Record<number, number>>
  restarts: number
  /** Its limit; null where it has none. */
  memoryLimitBytes?: number | null
}
