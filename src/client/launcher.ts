import type { Deployment, DeployOrder } from '../protocol/deployment.ts'
import type { FleetEvent } from '../protocol/event.ts'
import type { EngineName, Profile, RoleName } from '../protocol/fleet.ts'
import type { PlanLine } from '../protocol/plan-line.ts'
import type { Address } from '../protocol/units.ts'
import type { FleetClient } from './client.ts'

/** Global options, parsed and checked once (src/cli/options.ts). */
export interface FleetOptions {
  engine: EngineName | 'auto'
  fleet: string
  /** Undefined: not given; `mini` embedded, `standard` on Docker. */
  profile: Profile | undefined
  /** `sandbox`, a URL (http, https, ws, wss, ipc) or `@FILE` that holds one. Undefined: not given, `sandbox`. */
  chain: string | undefined
  chainId: number | undefined
  live: boolean
  /** Undefined: 3000 for the default fleet, a free one for others. */
  hubPort: number | undefined
  keyFile: string | undefined
  executorAddress: Address | undefined
  /** A private RPC, as a URL or `@FILE`. Undefined: transactions go to the node. */
  submitUrl: string | undefined
  /** Undefined: not given, config/chains of this package. */
  chainsDir: string | undefined
  /** Undefined: not given, config/fleet.yaml of this package. */
  manifest: string | undefined
  /** Folder of the files that roles name in `secrets`. Undefined: not given, a fleet keeps those that it has. */
  secretsDir?: string | undefined
  /** Of the sandbox's traders. Undefined: not given, 1. */
  seed: string | undefined
  debug: boolean
  json: boolean
}

/** Finds, starts and ends fleets. src/main.ts hands the real one to the commands. */
export interface Launcher {
  /** The fleet that is there. @throws FleetError `fleet_not_running`, `engine_unreachable` */
  attach(options: FleetOptions): Promise<FleetClient>
  /**
   * Starts the fleet, or attaches when it is there already (and makes it whole). Resolves as soon as there is a client
   * to talk to; `ready` when everything wanted is healthy. `onEvent` hears what happens before there is a client.
   * Aborting the signal gives up and, when the fleet was started here and is embedded, ends it.
   * @throws FleetError `fleet_conflict` when it runs with another engine, chain or manifest
   */
  up(
    options: FleetOptions & { detach: boolean },
    onEvent: (event: FleetEvent) => void,
    signal: AbortSignal,
  ): Promise<Up>
  /** What `up` would do, and why on that engine: nothing is done. @throws FleetError as `up` does before it changes anything */
  planUp(options: FleetOptions): Promise<{ why: string; plan: PlanLine[] }>
  /** Removes a fleet, running or not. @throws FleetError `fleet_not_running` when there is nothing of it at all */
  down(
    options: FleetOptions,
    how: { remove: boolean; volumes: boolean },
    onEvent: (event: FleetEvent) => void,
  ): Promise<void>
  /** Roles that the manifest describes. @throws FleetError `config_invalid` */
  rolesOf(options: FleetOptions): readonly RoleName[]
  /** Prerequisites, each with its remedy. */
  check(options: FleetOptions): Promise<Prerequisite[]>
  /** Deploys ArbExecutor on the chain of `--chain`; `onLine` hears what happens meanwhile. */
  deployExecutor(options: FleetOptions, order: DeployOrder, onLine: (line: string) => void): Promise<Deployment>
  /** Writes the compose files, or with `check` only looks. @throws FleetError `config_invalid`, `unsupported` */
  generate(options: FleetOptions, how: { output: string | undefined; check: boolean }): Promise<Generated[]>
  /** Builds the images of the Docker engine. */
  build(options: FleetOptions, onLine: (line: string) => void): Promise<string[]>
}

/** A file, and whether it is as it is written. */
export interface Generated {
  file: string
  state: 'current' | 'written' | 'stale' | 'missing'
}

export interface Up {
  client: FleetClient
  /** False when it ran already: then ending this command leaves it. */
  started: boolean
  /** One sentence: which engine and why. */
  why: string
  /** Resolves when all that is wanted is healthy; rejects when the start failed. */
  ready: Promise<void>
  /** Ends what `up` started here (embedded, not detached), or just lets go. */
  leave(): Promise<void>
}

export interface Prerequisite {
  name: string
  state: 'ok' | 'warn' | 'fail'
  detail: string
  remedy: string | null
}
