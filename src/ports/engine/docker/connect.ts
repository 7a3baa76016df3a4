import { existsSync, readFileSync } from 'node:fs'
import { Agent as HttpsAgent } from 'node:https'
import path from 'node:path'
import type Docker from 'dockerode'
import { FleetError } from '../../../protocol/errors.ts'
import { type DockerAddress, describeAddress, type Environment, findDockerAddress, type TlsFiles } from './address.ts'
import { dockerError } from './errors.ts'
import { sshAgent } from './ssh.ts'

/** API 1.41 came with Docker 20.10. */
const MINIMUM_API = [1, 41] as const
const OPEN_TIMEOUT_MS = 5_000
const OPEN_SSH_TIMEOUT_MS = 20_000

/** A daemon that answered. Shared by the engine and the provisioner. */
export interface DockerConnection {
  readonly docker: Docker
  readonly address: DockerAddress
  /** `20.10.24` */
  readonly version: string
  readonly apiVersion: string
  /** As Node and npm say it: `amd64`, `arm64`. */
  readonly arch: string
  /** Cores of its machine; asked once. */
  cpus(): Promise<number>
  /** Runs one request with a bound; whatever it throws comes out as FleetError. `what` completes "could not …". */
  ask<T>(what: string, run: (signal: AbortSignal) => Promise<T>, options?: AskOptions): Promise<T>
}

export interface AskOptions {
  /** 30 s unless told. */
  timeoutMs?: number
  image?: string
}

export interface ConnectOptions {
  /** An address as DOCKER_HOST takes it; absent: DOCKER_HOST, the current context, the usual socket. */
  host?: string | undefined
  env?: Environment | undefined
}

/**
 * Finds the daemon, and does not return before it has answered.
 * @throws FleetError `engine_unreachable` with the remedy for its cause, `engine_too_old`, `config_invalid`
 */
export async function connectDocker(options: ConnectOptions = {}): Promise<DockerConnection> {
  const address = findDockerAddress(options.host, options.env ?? process.env)
  const docker = await open(address)
  const ask: DockerConnection['ask'] = (what, run, limits = {}) => bounded(address, what, run, limits)
  const timeoutMs = address.kind === 'ssh' ? OPEN_SSH_TIMEOUT_MS : OPEN_TIMEOUT_MS
  const answer = await ask('ask for its version', () => docker.version(), { timeoutMs })
  const version = checked(answer, address)
  let cores: number | undefined
  const cpus = async () =>
    (cores ??= ((await ask('ask how many cores it has', () => docker.info())) as { NCPU: number }).NCPU)
  return { docker, address, ask, cpus, ...version }
}

function checked(answer: Docker.DockerVersion, address: DockerAddress) {
  const api = /^(\d+)\.(\d+)$/.exec(answer?.ApiVersion ?? '')
  if (!api)
    throw new FleetError('engine_unreachable', `what answers at ${describeAddress(address)} is not Docker`, {
      remedy: `Correct ${address.from}.`,
    })
  const [major, minor] = [Number(api[1]), Number(api[2])]
  if (major < MINIMUM_API[0] || (major === MINIMUM_API[0] && minor < MINIMUM_API[1]))
    throw new FleetError(
      'engine_too_old',
      `Docker ${answer.Version} at ${describeAddress(address)} speaks API ${answer.ApiVersion}; ${MINIMUM_API.join('.')} (Docker 20.10) is needed`,
      { remedy: 'Upgrade that Docker, or pass --engine embedded to run the fleet without it.' },
    )
  const arch = { x86_64: 'amd64', aarch64: 'arm64' }[answer.Arch] ?? answer.Arch
  return { version: answer.Version, apiVersion: answer.ApiVersion, arch }
}

async function open(address: DockerAddress): Promise<Docker> {
  const { default: Dockerode } = await import('dockerode')
  try {
    // `host: undefined` because dockerode would otherwise take DOCKER_HOST's.
    return new Dockerode({ host: undefined, ...dockerodeOptions(address) })
  } catch (cause) {
    throw new FleetError('config_invalid', `${address.from} cannot be used: ${(cause as Error).message}`, {
      remedy: 'Correct DOCKER_HOST, DOCKER_CERT_PATH or the Docker context.',
      cause,
    })
  }
}

function dockerodeOptions(address: DockerAddress): Docker.DockerOptions & { agent?: unknown } {
  switch (address.kind) {
    case 'unix':
      return { socketPath: address.socketPath, protocol: 'http' }
    case 'ssh':
      return { host: 'docker', protocol: 'http', agent: sshAgent(address) }
    case 'tcp': {
      const place = { host: address.host, port: address.port }
      if (!address.tls) return { ...place, protocol: 'http' }
      return { ...place, protocol: 'https', agent: new HttpsAgent({ keepAlive: true, ...tlsOptions(address.tls) }) }
    }
  }
}

function tlsOptions({ folder, trust }: TlsFiles) {
  const there = (name: string) => existsSync(path.join(folder, name))
  const read = (name: string) => readFileSync(path.join(folder, name))
  const own = there('cert.pem') || there('key.pem')
  return {
    ...(trust === 'ca.pem' ? { ca: read('ca.pem') } : {}),
    ...(own ? { cert: read('cert.pem'), key: read('key.pem') } : {}),
    rejectUnauthorized: trust !== 'anyone',
  }
}

async function bounded<T>(
  address: DockerAddress,
  what: string,
  run: (signal: AbortSignal) => Promise<T>,
  { timeoutMs = 30_000, image }: AskOptions,
): Promise<T> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), timeoutMs)
  try {
    return await Promise.race([run(abort.signal), aborted(abort.signal)])
  } catch (thrown) {
    const errand = { what, address, ...(image === undefined ? {} : { image }) }
    throw dockerError(thrown, abort.signal.aborted ? { ...errand, timedOutMs: timeoutMs } : errand)
  } finally {
    clearTimeout(timer)
  }
}

/** Rejects when the signal aborts: for requests that cannot be told to stop. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
  })
}
