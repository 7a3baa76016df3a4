import { randomBytes } from 'node:crypto'
import type { Provisioner, VolumeFile, VolumeFill } from '../ports/engine/provision.ts'
import { FleetError } from '../protocol/errors.ts'
import { stringify } from '../protocol/json.ts'
import type { Limits, Risk } from '../protocol/limits.ts'
import { secretFiles } from '../protocol/secrets.ts'

/** Made once a fleet, kept as long as its data. */
export interface FleetSecrets {
  operatorToken: string
  agentToken: string
  redisPassword: string
  rabbitmqPassword: string
  postgresPassword: string
  practiceSeed: string
}

/** What may differ from one `up` to the next. */
export interface VolumeContents {
  limits: Limits
  risk?: Risk
  /** The whole URL, for a chain that is not the sandbox. */
  rpcUrl?: string
  /** 0x and 64 hex digits each, for a chain that is not the sandbox. */
  executorKeys?: readonly string[]
  /** The whole URL of a private RPC that transactions go to. */
  submitUrl?: string
}

/** Servers each know their own password; `readers` are the roles that read the chain. */
export type TrustLevel =
  | 'redis'
  | 'rabbitmq'
  | 'postgres'
  | 'controller'
  | 'operator'
  | 'sandbox'
  | 'bot'
  | 'agents'
  | 'readers'
  | 'executors'

const OUR_UID = 10001
const RABBITMQ_CONF = '10-arbdeck.conf'
const REDIS_CONF = 'redis.conf'
/** Who owns the volume decides who reads; the images of Redis and the like run as users of their own numbers. */
const SERVERS: readonly TrustLevel[] = ['redis', 'rabbitmq', 'postgres']
const modeOf = (level: TrustLevel): number => (SERVERS.includes(level) ? 0o444 : 0o400)

export const secretsVolume = (fleet: string, level: TrustLevel): string => `${fleet}-secrets-${level}`

export function makeSecrets(): FleetSecrets {
  const secret = () => randomBytes(32).toString('base64url')
  return {
    operatorToken: secret(),
    agentToken: secret(),
    redisPassword: secret(),
    rabbitmqPassword: secret(),
    postgresPassword: secret(),
    practiceSeed: randomBytes(32).toString('hex'),
  }
}

/**
 * The volumes of a fleet and the files in each, by level of trust. A process mounts one of them, which holds all that it
 * may know and no more.
 */
export function secretVolumes(fleet: string, secrets: FleetSecrets, contents: VolumeContents): VolumeFill[] {
  const redis = { [secretFiles.redisPassword]: secrets.redisPassword }
  const postgres = { [secretFiles.postgresPassword]: secrets.postgresPassword }
  const bus = { ...redis, [secretFiles.rabbitmqPassword]: secrets.rabbitmqPassword }
  const node = contents.rpcUrl === undefined ? {} : { [secretFiles.rpcUrl]: contents.rpcUrl }
  const seed = { [secretFiles.practiceSeed]: secrets.practiceSeed }
  const agents = {
    ...bus,
    ...postgres,
    [secretFiles.agentToken]: secrets.agentToken,
    [secretFiles.limits]: stringify(contents.limits),
    ...(contents.risk && { [secretFiles.risk]: stringify(contents.risk) }),
  }
  const keys = contents.executorKeys
  const sending = {
    // With keys comes where they send to; an empty file is none.
    ...(keys === undefined ? {} : { [secretFiles.submitUrl]: contents.submitUrl ?? '' }),
    ...(keys === undefined ? {} : { [secretFiles.executorKeys]: keys.map((key) => `${key}\n`).join('') }),
  }
  const tokens = {
    [secretFiles.agentToken]: secrets.agentToken,
    [secretFiles.operatorToken]: secrets.operatorToken,
  }
  const files: Record<TrustLevel, Record<string, string>> = {
    redis: { ...redis, [REDIS_CONF]: redisConf(secrets.redisPassword, contents.rpcUrl !== undefined) },
    rabbitmq: { [RABBITMQ_CONF]: rabbitmqConf(secrets.rabbitmqPassword) },
    postgres,
    controller: bus,
    operator: { ...bus, ...postgres, ...tokens },
    sandbox: { ...redis, ...seed },
    bot: { ...bus, ...node },
    agents,
    readers: { ...agents, ...node },
    executors: { ...agents, ...node, ...seed, ...sending },
  }
  return (Object.keys(files) as TrustLevel[]).map((level) => ({
    volume: secretsVolume(fleet, level),
    files: Object.entries(files[level]).map(([name, text]) => file(name, text, modeOf(level))),
  }))
}

/** Takes what executors send with out of their volume: it goes with every `down`, the other secrets with the data. */
export const withoutKeys = (fleet: string): VolumeFill => ({
  volume: secretsVolume(fleet, 'executors'),
  files: [secretFiles.executorKeys, secretFiles.submitUrl].map((name) => file(name, '', modeOf('executors'))),
})

/**
 * The secrets of a fleet, read back from its volumes by a command that did not make it.
 * @returns undefined when the fleet has none, or not all: it must be made (or was half made)
 */
export async function readSecrets(
  provisioner: Provisioner,
  fleet: string,
  image: string,
): Promise<FleetSecrets | undefined> {
  const names = Object.keys(makeSecrets()) as (keyof FleetSecrets)[]
  const files = names.map((name) => secretFiles[name])
  const read = await Promise.all(
    (['operator', 'executors'] as const).map((level) =>
      readOrNone(provisioner, secretsVolume(fleet, level), files, image),
    ),
  )
  const found = new Map(read.flatMap((volume) => [...volume]))
  const values = names.map((name) => [name, found.get(secretFiles[name])?.toString('utf8')] as const)
  if (values.some(([, value]) => !value)) return undefined
  return Object.fromEntries(values) as unknown as FleetSecrets
}

async function readOrNone(provisioner: Provisioner, volume: string, names: readonly string[], image: string) {
  try {
    return await provisioner.readVolume(volume, names, image)
  } catch (thrown) {
    if (thrown instanceof FleetError && thrown.code === 'not_found') return new Map<string, Buffer>()
    throw thrown
  }
}

const file = (name: string, text: string, mode: number): VolumeFile => ({
  name,
  content: Buffer.from(text),
  mode,
  uid: OUR_UID,
  gid: OUR_UID,
})

/** @param real the chain outlives this machine's power: then what money depends on is on the disk before it counts as written */
function redisConf(password: string, real: boolean): string {
  return lines([
    'bind * -::*',
    'port 6379',
    `requirepass ${password}`,
    'dir /data',
    'appendonly yes',
    `appendfsync ${real ? 'always' : 'everysec'}`,
    'save ""',
    // Full is an error that is seen, never a value that is gone.
    'maxmemory-policy noeviction',
  ])
}

/** The broker does not see the container's memory limit: told so, it holds publishers back before the kernel ends it. */
function rabbitmqConf(password: string): string {
  return lines([
    'default_user = arbdeck',
    `default_pass = ${password}`,
    'vm_memory_high_watermark.absolute = 300MiB',
    'disk_free_limit.absolute = 50MB',
    'raft.wal_max_size_bytes = 33554432',
    'log.console = true',
    'log.console.level = warning',
  ])
}

const lines = (text: readonly string[]): string => `${text.join('\n')}\n`
