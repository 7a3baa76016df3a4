import { createHash } from 'node:crypto'
import type { UnitSpec } from '../ports/engine/engine.ts'
import { FleetError } from '../protocol/errors.ts'
import {
  ROLE_NAMES,
  type RoleName,
  replicaId,
  SERVICE_NAMES,
  type ServiceName,
  type Wanted,
} from '../protocol/fleet.ts'
import { secretsVolume, type TrustLevel } from './secrets.ts'
import { MIB, NETWORK, postgres, rabbitmq, redis, SECRETS } from './server-units.ts'

export interface UnitOptions {
  /** Port of Redis on 127.0.0.1; 0 (the default) takes a free one. No part of the spec's hash: the engine knows which it is. */
  redisPort?: number
}

const OUR_USER = '10001:10001'
const HUB_PORT = 3000
const SANDBOX_PORT = 8545
/** Of a process's memory limit: the rest is for buffers, threads and the code itself. */
const HEAP_SHARE = 0.6
const MIN_HEAP_MB = 32

/** Every unit of a wanted fleet on Docker: services in the order of their start, then agents in the order of the roles. */
export function fleetUnits(wanted: Wanted, options: UnitOptions = {}): UnitSpec[] {
  const services = SERVICE_NAMES.filter((name) => name !== 'sandbox' || wanted.chain === 'sandbox')
  return [
    ...services.map((service) => serviceUnit(service, wanted, options)),
    ...ROLE_NAMES.flatMap((role) =>
      Array.from({ length: wanted.counts[role] }, (_, i) => agentUnit(role, i + 1, wanted)),
    ),
  ]
}

/** @param replica from 1 */
export function agentUnit(role: RoleName, replica: number, wanted: Wanted): UnitSpec {
  const spec = wanted.spec.roles[role]
  return ours(wanted, {
    id: replicaId(role, replica),
    unit: { kind: 'agent', role, replica },
    command: ['agent', '--role', role, '--replica', String(replica)],
    trust: role === 'executor' ? 'executors' : 'agents',
    memoryMb: spec.memoryMb,
    env: { ...INFRASTRUCTURE, AGENT_PORT: String(spec.firstPort + replica - 1) },
  })
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
  user?: string
  capAdd?: readonly string[]
  dockerSocket?: boolean
}

/** What sets each of our own services apart. */
const OWN: Record<OwnService, (wanted: Wanted) => OwnDetails> = {
  // The node's memory is outside the heap: it is a process of its own in the same container.
  sandbox: (wanted) => ({
    trust: 'executors',
    image: 'sandbox',
    memoryMb: 768,
    heapMb: 192,
    env: {
      ...MEMORY,
      SANDBOX_PORT: String(SANDBOX_PORT),
      SANDBOX_URL: `ws://sandbox:${SANDBOX_PORT}`,
      ARBDECK_SEED: wanted.seed,
    },
  }),
  hub: (wanted) => ({
    trust: 'operator',
    memoryMb: 256,
    env: { ...INFRASTRUCTURE, HUB_PORT: String(HUB_PORT) },
    ports: [{ container: HUB_PORT, host: wanted.hubPort }],
  }),
  // Root until it has read the group of the socket, then its numeric user: it needs these two for that alone.
  controller: () => ({
    trust: 'infra',
    memoryMb: 192,
    env: { ...INFRASTRUCTURE, ENGINE_URL: 'docker:///var/run/docker.sock' },
    user: '0:0',
    capAdd: ['SETUID', 'SETGID'],
    dockerSocket: true,
  }),
  bot: () => ({ trust: 'agents', memoryMb: 256, env: INFRASTRUCTURE }),
}

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
      // Another manifest, another container: limits and floors are read at start.
      ARBDECK_SPEC: wanted.specHash,
      ARBDECK_CHAIN: wanted.chain,
      ARBDECK_CHAIN_ID: String(wanted.chainId),
      ARBDECK_LIVE: String(wanted.live),
      NODE_OPTIONS: `--max-old-space-size=${heapMb}`,
    },
    user,
    mounts: [{ volume: secretsVolume(wanted.fleet, trust), target: SECRETS, readOnly: true }],
    ports,
    networks: [NETWORK],
    memoryBytes: memoryMb * MIB,
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

/** 12 hex digits over all that describes the unit. A floating port (0, or Redis's) is no part of it. */
function hashed(unit: Omit<UnitSpec, 'specHash'>): UnitSpec {
  const ports = unit.id === 'redis' ? unit.ports.map((port) => ({ ...port, host: 0 })) : unit.ports
  const specHash = createHash('sha256')
    .update(canonical({ ...unit, ports }))
    .digest('hex')
    .slice(0, 12)
  return { ...unit, specHash }
}

/** JSON with the keys of every object in order, so that the same description is the same text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
