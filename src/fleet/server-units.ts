import type { UnitSpec } from '../ports/engine/engine.ts'
import { secretFiles } from '../protocol/secrets.ts'
import { EDGE_NETWORK, NETWORK } from './networks.ts'
import { secretsVolume, type TrustLevel } from './secrets.ts'

type Unhashed = Omit<UnitSpec, 'specHash'>

/** Where every process finds the volume of its level of trust. */
export const SECRETS = '/run/arbdeck/secrets'
export const MIB = 1024 * 1024

/** The probe reads the password where the server does; only the path is in it. */
export function redis(fleet: string, image: string, port: number): Unhashed {
  const ask = `REDISCLI_AUTH=$(cat ${SECRETS}/${secretFiles.redisPassword}) redis-cli -h 127.0.0.1 ping | grep -q PONG`
  return {
    ...server('redis', fleet, image, { level: 'redis', target: SECRETS }, '/data'),
    command: ['redis-server', `${SECRETS}/redis.conf`],
    ports: [{ container: 6379, host: port }],
    networks: [NETWORK, EDGE_NETWORK],
    memoryBytes: 256 * MIB,
    cpus: 1,
    pids: 128,
    tmpfs: ['/tmp'],
    health: probe(['sh', '-c', ask], 1_000),
  }
}

/** Its data carry the host's name. */
export function rabbitmq(fleet: string, image: string): Unhashed {
  return {
    ...server('rabbitmq', fleet, image, { level: 'rabbitmq', target: '/etc/rabbitmq/conf.d' }, '/var/lib/rabbitmq'),
    command: [],
    env: { RABBITMQ_LOGS: '-', RABBITMQ_LOG_BASE: '/tmp' },
    memoryBytes: 512 * MIB,
    tmpfs: ['/tmp'],
    hostname: 'rabbitmq',
    health: probe(['bash', '-c', '</dev/tcp/127.0.0.1/5672'], 30_000),
  }
}

export function postgres(fleet: string, image: string): Unhashed {
  return {
    ...server('postgres', fleet, image, { level: 'postgres', target: SECRETS }, '/var/lib/postgresql/data'),
    // A folder below the volume's root: initdb wants one that is its own.
    env: {
      POSTGRES_USER: 'arbdeck',
      POSTGRES_DB: 'arbdeck',
      POSTGRES_PASSWORD_FILE: `${SECRETS}/${secretFiles.postgresPassword}`,
      PGDATA: '/var/lib/postgresql/data/pgdata',
    },
    command: ['postgres', '-c', 'max_connections=300'],
    memoryBytes: 512 * MIB,
    tmpfs: ['/tmp', '/var/run/postgresql'],
    health: probe(['pg_isready', '-q', '-h', '127.0.0.1', '-U', 'arbdeck'], 30_000),
  }
}

/** What the servers have in common. They run as their image's own user, by name: its number differs between images. */
function server(
  service: 'redis' | 'rabbitmq' | 'postgres',
  fleet: string,
  image: string,
  secrets: { level: TrustLevel; target: string },
  dataFolder: string,
) {
  return {
    id: service,
    unit: { kind: 'service', service } as const,
    image,
    env: {},
    user: service,
    mounts: [
      { volume: `${fleet}-${service}`, target: dataFolder, readOnly: false },
      { volume: secretsVolume(fleet, secrets.level), target: secrets.target, readOnly: true },
    ],
    ports: [],
    networks: [NETWORK],
    // Erlang's schedulers, and a process for each client of Postgres.
    cpus: 2,
    pids: 512,
    graceMs: 10_000,
    readOnlyRoot: true,
  }
}

function probe(test: readonly string[], startPeriodMs: number): NonNullable<UnitSpec['health']> {
  return { test, intervalMs: 3_000, timeoutMs: 5_000, retries: 5, startPeriodMs }
}
