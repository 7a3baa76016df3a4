import type Docker from 'dockerode'
import type { ObservedUnit, UnitSpec } from '../engine.ts'
import { type DockerAddress, USUAL_SOCKET } from './address.ts'
import { CGROUP_ROOT, HOST_CGROUP_ROOT } from './cgroup.ts'
import { aliases, containerName, LABELS, labelsOf, networkName, unitOfLabels } from './names.ts'

/** Node has 7 threads idle, 11 with its libraries; below that it hangs without a word. */
const AGENT_PIDS = 64
const SERVICE_PIDS = 512
const NS_PER_MS = 1_000_000
const NANO = 1_000_000_000
const GRACE_MS = 10_000
/**
 * For who has no way out. Docker hands every name that it does not know to a resolver, of itself the host's, and before 26.0
 * from the host's network where that is on a loopback address: a way out of an internal network (CVE-2024-29018). Nobody
 * listens at this address, which is the container's own. A name without a dot is answered at once, others after a second
 * and not after ten: a lookup holds one of Node's four threads.
 */
const NO_RESOLVER = {
  Dns: ['0.0.0.0'],
  DnsSearch: ['.'],
  DnsOptions: ['ndots:1', 'timeout:1', 'attempts:1'],
}

const LOG_FILES = { 'max-size': '10m', 'max-file': '3' }
const TMPFS_OPTIONS = 'rw,noexec,nosuid,size=64m,mode=1777'

/** Where the container is to be. */
export interface Place {
  fleet: string
  address: DockerAddress
  /** Cores of the daemon's machine: it refuses a limit above them. */
  cpus: number
}

/** What to create for a unit: hardened, labelled, and with nothing secret in it. */
export function createOptions(place: Place, unit: UnitSpec, restarts: number): Docker.ContainerCreateOptions {
  const { fleet } = place
  const [network] = unit.networks
  return {
    name: containerName(fleet, unit.id),
    Image: unit.image,
    ...(unit.command.length > 0 ? { Cmd: [...unit.command] } : {}),
    Env: Object.entries(unit.env).map(([name, value]) => `${name}=${value}`),
    Labels: labelsOf(fleet, unit, restarts),
    ...(unit.user === undefined ? {} : { User: unit.user }),
    ...(unit.hostname === undefined ? {} : { Hostname: unit.hostname }),
    ...(unit.health === undefined ? {} : { Healthcheck: healthcheck(unit.health) }),
    ExposedPorts: Object.fromEntries(unit.ports.map((port) => [`${port.container}/tcp`, {}])),
    StopTimeout: Math.ceil((unit.graceMs ?? GRACE_MS) / 1_000),
    HostConfig: hostConfig(place, unit),
    ...(network === undefined
      ? {}
      : {
          NetworkingConfig: {
            EndpointsConfig: { [networkName(fleet, network)]: { Aliases: aliases(unit.id, network) } },
          },
        }),
  }
}

function hostConfig({ fleet, address, cpus }: Place, unit: UnitSpec): Docker.HostConfig {
  const [network] = unit.networks
  return {
    // It drops root itself and has no right to signal what dropped it: an init of uid 0 could not pass SIGTERM on.
    Init: unit.dockerSocket !== true,
    ReadonlyRootfs: unit.readOnlyRoot,
    CapDrop: ['ALL'],
    CapAdd: [...(unit.capAdd ?? [])],
    SecurityOpt: ['no-new-privileges'],
    PidsLimit: unit.pids ?? (unit.unit.kind === 'agent' ? AGENT_PIDS : SERVICE_PIDS),
    ...(unit.cpus === undefined ? {} : { NanoCpus: Math.round(Math.min(unit.cpus, cpus) * NANO) }),
    ...(unit.memoryBytes === undefined ? {} : { Memory: unit.memoryBytes, MemorySwap: unit.memoryBytes }),
    Tmpfs: Object.fromEntries(unit.tmpfs.map((target) => [target, TMPFS_OPTIONS])),
    Mounts: mounts(fleet, address, unit),
    PortBindings: Object.fromEntries(
      unit.ports.map((port) => [
        `${port.container}/tcp`,
        [{ HostIp: '127.0.0.1', HostPort: port.host === 0 ? '' : String(port.host) }],
      ]),
    ),
    NetworkMode: network === undefined ? 'none' : networkName(fleet, network),
    ...(network === undefined || unit.reachesOut ? {} : NO_RESOLVER),
    // The controller keeps the agents; nobody but Docker keeps the services that the controller itself needs.
    RestartPolicy: { Name: unit.unit.kind === 'agent' ? 'no' : 'unless-stopped' },
    LogConfig: { Type: 'json-file', Config: LOG_FILES },
  }
}

function mounts(fleet: string, address: DockerAddress, unit: UnitSpec): Docker.MountSettings[] {
  const volumes = unit.mounts.map(
    (mount): Docker.MountSettings => ({
      Type: 'volume',
      Source: mount.volume,
      Target: mount.target,
      ReadOnly: mount.readOnly,
      // A volume that is not there is made here: with the label, or `down --volumes` would not find it.
      VolumeOptions: {
        NoCopy: mount.readOnly,
        Labels: { [LABELS.fleet]: fleet },
        DriverConfig: { Name: 'local', Options: {} },
      },
    }),
  )
  if (!unit.dockerSocket) return volumes
  const source = (address.kind === 'tcp' ? undefined : address.socketPath) ?? USUAL_SOCKET
  return [
    ...volumes,
    { Type: 'bind', Source: source, Target: USUAL_SOCKET },
    { Type: 'bind', Source: CGROUP_ROOT, Target: HOST_CGROUP_ROOT, ReadOnly: true },
  ]
}

function healthcheck(health: NonNullable<UnitSpec['health']>): Docker.HealthConfig {
  return {
    Test: ['CMD', ...health.test],
    Interval: health.intervalMs * NS_PER_MS,
    Timeout: health.timeoutMs * NS_PER_MS,
    Retries: health.retries,
    StartPeriod: health.startPeriodMs * NS_PER_MS,
  }
}

/** What only an inspection tells, and only an event of the container changes. */
export interface Inspected {
  /** As Docker's list says it: `running`, `paused`, `exited`. */
  status: string
  unit: Omit<ObservedUnit, 'health' | 'ports'>
}

/** A unit as inspected; undefined when the container is none of the fleet's units. */
export function inspected(fleet: string, info: Docker.ContainerInspectInfo): Inspected | undefined {
  const labels = info.Config.Labels ?? {}
  const which = labels[LABELS.fleet] === fleet ? unitOfLabels(labels) : undefined
  if (!which) return undefined
  const state = stateOf(info)
  return {
    status: info.State.Status,
    unit: {
      ...which,
      specHash: labels[LABELS.spec] ?? '',
      state,
      exitCode: state === 'exited' ? info.State.ExitCode : null,
      oomKilled: info.State.OOMKilled,
      startedAt: info.State.StartedAt.startsWith('0001-') ? null : new Date(info.State.StartedAt).toISOString(),
      restarts: restartsOf(info),
      memoryLimitBytes: info.HostConfig.Memory || null,
    },
  }
}

/** With what the list itself says: it is asked anew for each look. */
export function observed({ unit }: Inspected, listed: Docker.ContainerInfo): ObservedUnit {
  return {
    ...unit,
    health: unit.state === 'running' ? healthOf(listed.Status) : null,
    ports: Object.fromEntries(
      listed.Ports.flatMap((port) => (port.PublicPort ? [[port.PrivatePort, port.PublicPort] as const] : [])),
    ),
  }
}

/** By arbdeck and by Docker's own restart policy. */
export const restartsOf = (info: Docker.ContainerInspectInfo): number =>
  (Number(info.Config.Labels?.[LABELS.restarts]) || 0) + info.RestartCount

export function stateOf(info: Docker.ContainerInspectInfo): ObservedUnit['state'] {
  if (info.State.Status === 'created') return 'created'
  return info.State.Running && !info.State.Restarting ? 'running' : 'exited'
}

/** `Up 5 minutes (healthy)`, `Up 2 seconds (health: starting)`; nothing in brackets without a health check. */
function healthOf(status: string): ObservedUnit['health'] {
  const words = /\((?:health: )?(starting|healthy|unhealthy)\)/.exec(status)?.[1]
  return words === 'starting' || words === 'healthy' || words === 'unhealthy' ? words : null
}
