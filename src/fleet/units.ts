import { createHash } from 'node:crypto'
import type { UnitSpec } from '../ports/engine/engine.ts'
import { FleetError } from '../protocol/errors.ts'
import {
  type RoleName,
  replicaId,
  roleNames,
  roleSpec,
  SERVICE_NAMES,
  type ServiceName,
  type Wanted,
} from '../protocol/fleet.ts'
import { imageAgentUnit } from './image-role.ts'
import { CHAIN_NETWORK, chainNetworks, EDGE_NETWORK, NETWORK, readsChain } from './networks.ts'
import { roleMounts } from './role-volumes.ts'
import { secretsVolume, type TrustLevel } from './secrets.ts'
import { MIB, postgres, rabbitmq, redis, SECRETS } from './server-units.ts'

export interface UnitOptions {
  /** Port of Redis on 127.0.0.1; 0 (the default) takes a free one. No part of the spec's hash: the engine knows which it is. */
  redisPort?: number
}

const OUR_USER = '10001:10001'
const HUB_PORT = 3000
const SANDBOX_HOST = `sandbox.${CHAIN_NETWORK}`
const SANDBOX_PORT = 8545
/** Of a process's memory limit: the rest is for buffers, threads and the code itself. */
const HEAP_SHARE = 0.6
const MIN_HEAP_MB = 32
const GRACE_MS = 10_000

/** Every unit of a wanted fleet on Docker: services in the order of their start, then agents in the order of the roles. */
export function fleetUnits(wanted: Wanted, options: UnitOptions = {}): UnitSpec[] {
  const services = SERVICE_NAMES.filter((name) => name !== 'sandbox' || wanted.chain === 'sandbox')
  return [
    ...services.map((service) => serviceUnit(service, wanted, options)),
    ...roleNames(wanted.spec).flatMap((role) =>
      Array.from({ length: wanted.counts[role] ?? 0 }, (_, i) => agentUnit(role, i + 1, wanted)),
    ),
  ]
}

/** @param replica from 1 */
export function agentUnit(role: RoleName, replica: number, wanted: Wanted): UnitSpec {
  const spec = roleSpec(wanted.spec, role)
  if (spec.image) return hashed(imageAgentUnit(role, replica, wanted))
  return ours(wanted, {
    id: replicaId(role, replica),
    unit: { kind: 'agent', role, replica },
    command: ['agent', '--role', role, '--replica', String(replica)],
    trust: trustOf(role),
    ...(readsChain(role) ? chainNetworks(wanted) : {}),
    memoryMb: spec.memoryMb,
    env: {
      ...spec.environment,
      ...INFRASTRUCTURE,
      AGENT_PORT: String(spec.firstPort + replica - 1),
      ARBDECK_GRACE_SECONDS: String(spec.graceSeconds),
    },
    mounts: roleMounts(wanted.fleet, role, spec),
    cpus: spec.cpus,
    pids: spec.pids,
    graceMs: spec.graceSeconds * 1_000,
  })
}

function trustOf(role: RoleName): TrustLevel {
  if (role === 'executor') return 'executors'
  return readsChain(role) ? 'readers' : 'agents'
}

export function serviceUnit(service: ServiceName, wanted: Wanted, options: UnitOptions = {}): UnitSpec {
  switch (service) {
    case 'redis':
      return hashed(redis(wanted.fleet, imageOf(wanted, service), options.redisPort ?? 0))
    case 'rabbitmq':
      return hashed(rabbitmq(wanted.fleet, imageOf(wanted, service)))
    case 'postgres':
      return hashed(postgres(wanted.fleet, imageOf(wanted, service)))
    default:
      return ours(wanted, {
        id: service,
        unit: { kind: 'service', service },
        command: [service],
        ...OWN[service](wanted),
      })
  }
}

const MEMORY = { MEMORY_URL: 'redis://redis:6379' }
const INFRASTRUCTURE = {
  ...MEMORY,
  BUS_URL: 'amqp://rabbitmq:5672',
  HISTORY_URL: 'postgres://postgres:5432/arbdeck',
}

type OwnService = Exclude<ServiceName, 'redis' | 'rabbitmq' | 'postgres'>
type Ours = Pick<UnitSpec, 'id' | 'unit' | 'command'> & OwnDetails
interface OwnDetails {
  trust: TrustLevel
  memoryMb: number
  heapMb?: number
  env: Record<string, string>
  image?: 'agent' | 'sandbox'
  ports?: UnitSpec['ports']
  /** The fleet's own network alone, unless told. */
  networks?: UnitSpec['networks']
  reachesOut?: boolean
  /** Beside the secrets of its level of trust. */
  mounts?: UnitSpec['mounts']
  cpus: number
  pids: number
  graceMs?: number
  user?: string
  capAdd?: readonly string[]
  dockerSocket?: boolean
}

/** What sets each of our own services apart. */
const OWN: Record<OwnService, (wanted: Wanted) => OwnDetails> = {
  // The node's memory is outside the heap: it is a process of its own in the same container.
  sandbox: (wanted) => ({
    trust: 'sandbox',
    image: 'sandbox',
    memoryMb: 768,
    heapMb: 192,
    cpus: 2,
    pids: 512,
    ...chainNetworks(wanted),
    env: {
      ...MEMORY,
      // Its name on the chain's network alone: it listens on that address, and who is not there cannot reach the node.
      SANDBOX_HOST,
      SANDBOX_PORT: String(SANDBOX_PORT),
      SANDBOX_URL: `ws://${SANDBOX_HOST}:${SANDBOX_PORT}`,
      ARBDECK_SEED: wanted.seed,
    },
  }),
  hub: (wanted) => ({
    trust: 'operator',
    memoryMb: 256,
    cpus: 2,
    pids: 128,
    networks: [NETWORK, EDGE_NETWORK],
    env: { ...INFRASTRUCTURE, HUB_PORT: String(HUB_PORT) },
    ports: [{ container: HUB_PORT, host: wanted.hubPort }],
  }),
  // Root until it has read the group of the socket, then its numeric user: it needs these two for that alone.
  controller: () => ({
    trust: 'controller',
    memoryMb: 192,
    cpus: 1,
    pids: 128,
    env: { ...INFRASTRUCTURE, ENGINE_URL: 'docker:///var/run/docker.sock' },
    user: '0:0',
    capAdd: ['SETUID', 'SETGID'],
    dockerSocket: true,
  }),
  bot: (wanted) => ({
    trust: 'bot',
    memoryMb: 256,
    cpus: 2,
    pids: 128,
    ...chainNetworks(wanted),
    env: INFRASTRUCTURE,
  }),
}

/** They read the manifest, if at all, while they run: a change of it must not end the practice chain, nor the hub's sessions. */
const READS_NO_SPEC: readonly string[] = ['sandbox', 'hub', 'controller']

/** A unit that runs our own image. */
function ours(wanted: Wanted, own: Ours): UnitSpec {
  const { id, unit, command, trust, memoryMb, user = OUR_USER, ports = [] } = own
  const heapMb = own.heapMb ?? Math.max(MIN_HEAP_MB, Math.floor(memoryMb * HEAP_SHARE))
  return hashed({
    id,
    unit,
    image: imageOf(wanted, own.image ?? 'agent'),
    command,
    env: {
      ...own.env,
      ARBDECK_FLEET: wanted.fleet,
      ARBDECK_SECRETS: SECRETS,
      // Another manifest, another container, for those who read limits and floors at their start.
      ...(READS_NO_SPEC.includes(id) ? {} : { ARBDECK_SPEC: wanted.specHash }),
      ARBDECK_CHAIN: wanted.chain,
      ARBDECK_CHAIN_ID: String(wanted.chainId),
      ARBDECK_LIVE: String(wanted.live),
      NODE_OPTIONS: `--max-old-space-size=${heapMb}`,
    },
    user,
    mounts: [{ volume: secretsVolume(wanted.fleet, trust), target: SECRETS, readOnly: true }, ...(own.mounts ?? [])],
    ports,
    networks: own.networks ?? [NETWORK],
    ...(own.reachesOut === undefined ? {} : { reachesOut: own.reachesOut }),
    memoryBytes: memoryMb * MIB,
    cpus: own.cpus,
    pids: own.pids,
    graceMs: own.graceMs ?? GRACE_MS,
    ...(own.capAdd === undefined ? {} : { capAdd: own.capAdd }),
    readOnlyRoot: true,
    tmpfs: ['/tmp'],
    ...(own.dockerSocket === undefined ? {} : { dockerSocket: own.dockerSocket }),
  })
}

function imageOf(wanted: Wanted, name: string): string {
  const image = wanted.images[name]
  if (image) return image
  throw new FleetError('malformed', `the wanted fleet does not say which image ${name} is`, {
    remedy: 'It was written by another version of arbdeck: run arbdeck up again.',
  })
}

/**
 * `HASH@IMAGE PORT…`: 12 hex digits over all that describes the unit, and beside them, as they are, its image and its ports
 * of this machine, which compose files leave to their .env. Where Redis is published is no part of it.
 */
function hashed(unit: Omit<UnitSpec, 'specHash'>): UnitSpec {
  const { image, ports, ...rest } = unit
  const inside = ports.map((port) => port.container)
  const outside = ports.map((port) => (unit.id === 'redis' ? 0 : port.host))
  const hash = createHash('sha256')
    .update(canonical({ ...rest, inside }))
    .digest('hex')
    .slice(0, 12)
  return { ...unit, specHash: [`${hash}@${image}`, ...outside].join(' ') }
}

/** JSON with the keys of every object in order, so that the same description is the same text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
