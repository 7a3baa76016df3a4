import type Docker from 'dockerode'
import type { UnitSpec } from '../engine.ts'
import { createOptions } from './container.ts'
import { aliases, containerName, DEFAULT_FLEET } from './names.ts'

/** A service of a compose file, as far as others look into it. */
export interface ComposeService {
  readonly image: string
  readonly container_name: string
  readonly environment: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly networks: Readonly<Record<string, ComposeNetworkUse>>
  readonly volumes: readonly ComposeMount[]
  readonly [key: string]: ComposeValue
}
type ComposeNetworkUse = { readonly aliases: readonly string[]; readonly priority: number }
export type ComposeMount = { readonly source: string; readonly target: string; readonly [key: string]: ComposeValue }
type ComposeValue = string | number | boolean | readonly ComposeValue[] | { readonly [key: string]: ComposeValue }

const MIB = 1024 * 1024
const PERIOD_US = 100_000
const NANO = 1_000_000_000
const NS_PER_MS = 1_000_000
/** The first network that a unit names is the one that it is created on. */
const FIRST_PRIORITY = 1_000

/**
 * The unit as a service of a compose file: the very container that the engine would create, said in compose's words.
 *
 * Texts may contain `${NAME}` and `${NAME:?words}` for compose to fill in from its .env; every other `$` is kept as it is.
 *
 * @param socket where the Docker socket is, for the unit that mounts it
 * @throws Error when the engine asks for something that this does not know to say
 */
export function composeService(fleet: string, unit: UnitSpec, socket: string): ComposeService {
  const options = createOptions(
    { fleet, address: { kind: 'unix', socketPath: socket, from: 'a compose file' }, cpus: Number.POSITIVE_INFINITY },
    unit,
    0,
  )
  const { name, Image, Cmd, Env, Labels, User, Hostname, Healthcheck, StopTimeout, HostConfig = {}, ...rest } = options
  // Said by `ports` and `networks`.
  const { ExposedPorts: _exposed, NetworkingConfig: _networking, ...unknown } = rest
  refuse(unknown)
  return escaped({
    image: Image ?? '',
    container_name: name ?? '',
    ...(Cmd === undefined ? {} : { command: Cmd }),
    ...(User === undefined ? {} : { user: User }),
    ...(Hostname === undefined ? {} : { hostname: Hostname }),
    environment: Object.fromEntries((Env ?? []).map(splitPair)),
    labels: Labels ?? {},
    ...hostOptions(HostConfig),
    ...(StopTimeout === undefined ? {} : { stop_grace_period: `${StopTimeout}s` }),
    ...(Healthcheck === undefined ? {} : { healthcheck: healthcheck(Healthcheck) }),
    volumes: (HostConfig.Mounts ?? []).map(mount),
    networks: networksOf(unit),
  }) as ComposeService
}

/** `mcp-executor-1`: the name of the unit's service, in every fleet's files. */
export const composeServiceName = (id: string): string => containerName(DEFAULT_FLEET, id)

function hostOptions(host: Docker.HostConfig): Record<string, ComposeValue> {
  const {
    Init,
    ReadonlyRootfs,
    CapDrop,
    CapAdd,
    SecurityOpt,
    PidsLimit,
    Memory,
    MemorySwap,
    NanoCpus,
    Tmpfs,
    PortBindings,
    RestartPolicy,
    LogConfig,
    Mounts: _mounts,
    NetworkMode: _mode,
    Dns,
    DnsSearch,
    DnsOptions,
    ...unknown
  } = host
  refuse(unknown)
  const ports = portsOf(PortBindings as Record<string, { HostIp: string; HostPort: string }[]>)
  return {
    init: Init ?? false,
    read_only: ReadonlyRootfs ?? false,
    cap_drop: (CapDrop ?? []) as string[],
    ...(CapAdd?.length ? { cap_add: CapAdd as string[] } : {}),
    security_opt: (SecurityOpt ?? []) as string[],
    ...(PidsLimit == null ? {} : { pids_limit: PidsLimit }),
    ...(Memory === undefined ? {} : { mem_limit: bytes(Memory) }),
    ...(MemorySwap === undefined ? {} : { memswap_limit: bytes(MemorySwap) }),
    ...(NanoCpus === undefined ? {} : cores(NanoCpus / NANO)),
    ...said({ dns: Dns, dns_search: DnsSearch, dns_opt: DnsOptions }),
    tmpfs: Object.entries(Tmpfs ?? {}).map(([target, how]) => (how === '' ? target : `${target}:${how}`)),
    ...(ports.length > 0 ? { ports } : {}),
    restart: RestartPolicy?.Name || 'no',
    logging: { driver: LogConfig?.Type ?? 'json-file', options: LogConfig?.Config ?? {} },
  }
}

const said = (values: Record<string, ComposeValue | undefined>): Record<string, ComposeValue> =>
  Object.fromEntries(Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))

function portsOf(bindings: Record<string, { HostIp: string; HostPort: string }[]> = {}): string[] {
  return Object.entries(bindings).flatMap(([inside, outside]) =>
    outside.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}:${Number.parseInt(inside, 10)}`),
  )
}

function mount(settings: Docker.MountSettings): ComposeMount {
  const { Type, Source, Target, ReadOnly = false, VolumeOptions, ...unknown } = settings
  refuse(unknown)
  return {
    type: Type,
    source: Source,
    target: Target,
    ...(ReadOnly ? { read_only: true } : {}),
    ...(VolumeOptions?.NoCopy ? { volume: { nocopy: true } } : {}),
  }
}

function networksOf(unit: UnitSpec): Record<string, ComposeNetworkUse> {
  return Object.fromEntries(
    unit.networks.map((name, i) => [name, { aliases: aliases(unit.id, name), priority: FIRST_PRIORITY - i }]),
  )
}

function healthcheck(health: Docker.HealthConfig): Record<string, ComposeValue> {
  const { Test, Interval, Timeout, Retries, StartPeriod, ...unknown } = health
  refuse(unknown)
  return {
    test: Test ?? [],
    interval: duration(Interval),
    timeout: duration(Timeout),
    retries: Retries ?? 1,
    start_period: duration(StartPeriod),
  }
}

/** A daemon refuses `cpus` above what its machine has; a share of time that is more than there is limits nothing. */
const cores = (count: number): Record<string, ComposeValue> =>
  count <= 1 ? { cpus: count } : { cpu_period: PERIOD_US, cpu_quota: Math.round(count * PERIOD_US) }

const duration = (ns = 0): string => `${ns / NS_PER_MS}ms`.replace(/^(\d+)000ms$/, '$1s')
const bytes = (count: number): string => (count % MIB === 0 ? `${count / MIB}m` : `${count}b`)

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  return [pair.slice(0, at), pair.slice(at + 1)]
}

/** Nothing that the engine sets may be left out without a word. */
function refuse(unknown: object): void {
  const set = Object.entries(unknown).filter(([, value]) => value !== undefined)
  if (set.length > 0) throw new Error(`compose files cannot say ${set.map(([key]) => key).join(', ')} yet`)
}

/** `$` that is none of compose's is written twice. */
function escaped(value: ComposeValue): ComposeValue {
  if (typeof value === 'string') return value.replaceAll(/\$(?!\{[A-Z_]+(:\?[^}]*)?\})/g, '$$$$')
  if (typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(escaped)
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, escaped(entry)]))
}
