import type Docker from 'dockerode'
import type { ObservedUnit, UnitSpec } from '../engine.ts'
import { type DockerAddress, USUAL_SOCKET } from './address.ts'
import { aliases, containerName, LABELS, labelsOf, networkName, unitOfLabels } from './names.ts'

/** Node has 7 threads idle, 11 with its libraries; below that it hangs without a word. */
const AGENT_PIDS = 64
const SERVICE_PIDS = 512
const NS_PER_MS = 1_000_000
const LOG_FILES = { 'max-size': '10m', 'max-file': '3' }
const TMPFS_OPTIONS = 'rw,noexec,nosuid,size=64m,mode=1777'

/** What to create for a unit: hardened, labelled, and with nothing secret in it. */
export function createOptions(
  fleet: string,
  address: DockerAddress,
  unit: UnitSpec,
  restarts: number,
): Docker.ContainerCreateOptions {
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
    HostConfig: hostConfig(fleet, address, unit),
    ...(network === undefined
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [networkName(fleet, network)]: { Aliases: aliases(unit.id) } } } }),
  }
}

function hostConfig(fleet: string, address: DockerAddress, unit: UnitSpec): Docker.HostConfig {
  const [network] = unit.networks
  return {
    // It drops root itself and has no right to signal what dropped it: an init of uid 0 could not pass SIGTERM on.
    Init: unit.dockerSocket !== true,
    ReadonlyRootfs: unit.readOnlyRoot,
    CapDrop: ['ALL'],
    CapAdd: [...(unit.capAdd ?? [])],
    SecurityOpt: ['no-new-privileges'],
    PidsLimit: unit.unit.kind === 'agent' ? AGENT_PIDS : SERVICE_PIDS,
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
  const source = address.kind === 'unix' ? address.socketPath : USUAL_SOCKET
  return [...volumes, { Type: 'bind', Source: source, Target: USUAL_SOCKET }]
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

/** A unit as inspected; undefined when the container is none of the fleet's units. */
export function observed(fleet: string, info: Docker.ContainerInspectInfo): ObservedUnit | undefined {
  const labels = info.Config.Labels ?? {}
  const which = labels[LABELS.fleet] === fleet ? unitOfLabels(labels) : undefined
  if (!which) return undefined
  const state = stateOf(info)
  return {
    ...which,
    specHash: labels[LABELS.spec] ?? '',
    state,
    exitCode: state === 'exited' ? info.State.ExitCode : null,
    oomKilled: info.State.OOMKilled,
    startedAt: info.State.StartedAt.startsWith('0001-') ? null : new Date(info.State.StartedAt).toISOString(),
    health: state === 'running' ? healthOf(info) : null,
    ports: publishedPorts(info),
    restarts: restartsOf(info),
  }
}

/** By arbdeck and by Docker's own restart policy. */
export const restartsOf = (info: Docker.ContainerInspectInfo): number =>
  (Number(info.Config.Labels?.[LABELS.restarts]) || 0) + info.RestartCount

export function stateOf(info: Docker.ContainerInspectInfo): ObservedUnit['state'] {
  if (info.State.Status === 'created') return 'created'
  return info.State.Running && !info.State.Restarting ? 'running' : 'exited'
}

function healthOf(info: Docker.ContainerInspectInfo): ObservedUnit['health'] {
  const status = info.State.Health?.Status
  return status === 'starting' || status === 'healthy' || status === 'unhealthy' ? status : null
}

function publishedPorts(info: Docker.ContainerInspectInfo): Record<number, number> {
  const ports: Record<number, number> = {}
  for (const [inside, bindings] of Object.entries(info.NetworkSettings.Ports ?? {})) {
    const outside = Number(bindings?.[0]?.HostPort)
    if (outside) ports[Number.parseInt(inside, 10)] = outside
  }
  return ports
}
