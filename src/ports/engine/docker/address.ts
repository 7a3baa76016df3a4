import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { FleetError } from '../../../protocol/errors.ts'

/** Where a daemon listens, and what chose it. */
export type DockerAddress =
  | { kind: 'unix'; socketPath: string; from: string }
  | { kind: 'tcp'; host: string; port: number; tls: TlsFiles | null; from: string }
  | { kind: 'ssh'; target: string; port: number | null; socketPath: string | null; from: string }

/** A folder with cert.pem and key.pem (without them this side shows no certificate), and who is believed to be the daemon. */
export interface TlsFiles {
  folder: string
  trust: 'ca.pem' | 'system authorities' | 'anyone'
}

export type Environment = Readonly<Record<string, string | undefined>>

export const USUAL_SOCKET = '/var/run/docker.sock'
const TLS_PORT = 2376
const PLAIN_PORT = 2375

/**
 * The daemon's address: `host` when given, else DOCKER_HOST, else the current Docker context, else the usual socket.
 * @throws FleetError `config_invalid` when what chooses it cannot be understood
 */
export function findDockerAddress(host: string | undefined, env: Environment): DockerAddress {
  if (host) return parseAddress(host, env, 'the address given')
  if (env.DOCKER_HOST) return parseAddress(env.DOCKER_HOST, env, 'DOCKER_HOST')
  return fromContext(env) ?? { kind: 'unix', socketPath: USUAL_SOCKET, from: 'the usual socket' }
}

/** `unix:///var/run/docker.sock`, as errors and reports name it. */
export function describeAddress(address: DockerAddress): string {
  switch (address.kind) {
    case 'unix':
      return `unix://${address.socketPath}`
    case 'tcp':
      return `tcp://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    case 'ssh':
      return `ssh://${address.target}${address.port === null ? '' : `:${address.port}`}${address.socketPath ?? ''}`
  }
}

function parseAddress(text: string, env: Environment, from: string): DockerAddress {
  const { scheme, rest } = /^(?<scheme>[a-z+]+):\/\/(?<rest>.*)$/.exec(text)?.groups ?? { scheme: 'tcp', rest: text }
  switch (scheme) {
    case 'unix':
      return { kind: 'unix', socketPath: rest || USUAL_SOCKET, from }
    case 'tcp':
    case 'http':
    case 'https':
      return tcpAddress(urlOf(`http://${rest}`, text, from), scheme === 'https', env, from)
    case 'ssh':
      return sshAddress(text, from)
    default:
      throw notUnderstood(text, from)
  }
}

/**
 * TLS when told so (https, DOCKER_TLS_VERIFY, DOCKER_TLS, which believes whoever answers), and on the port that is known
 * for it, which the docker command does not take for a sign.
 */
function tcpAddress(url: URL, https: boolean, env: Environment, from: string): DockerAddress {
  const verified = https || Boolean(env.DOCKER_TLS_VERIFY)
  const wantsTls = verified || Boolean(env.DOCKER_TLS)
  const port = Number(url.port) || (wantsTls ? TLS_PORT : PLAIN_PORT)
  const folder = env.DOCKER_CERT_PATH || dockerFolder(env)
  const tls =
    wantsTls || port === TLS_PORT
      ? { folder, trust: wantsTls && !verified ? ('anyone' as const) : ('ca.pem' as const) }
      : null
  return { kind: 'tcp', host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, tls, from }
}

function sshAddress(text: string, from: string): DockerAddress {
  const url = urlOf(text, text, from)
  const target = `${url.username ? `${decodeURIComponent(url.username)}@` : ''}${url.hostname}`
  // Passed to the ssh command: never to be taken for one of its options.
  if (!/^[\w.][\w.@:[\]-]*$/.test(target)) throw notUnderstood(text, from)
  const socketPath = url.pathname.length > 1 ? decodeURIComponent(url.pathname) : null
  return { kind: 'ssh', target, port: Number(url.port) || null, socketPath, from }
}

/** The endpoint of DOCKER_CONTEXT or of `currentContext` in Docker's config.json; undefined for the default context. */
function fromContext(env: Environment): DockerAddress | undefined {
  const folder = dockerFolder(env)
  const name = env.DOCKER_CONTEXT || currentContext(path.join(folder, 'config.json'))
  if (!name || name === 'default') return undefined
  const hash = createHash('sha256').update(name).digest('hex')
  const from = `the Docker context ${name}`
  const endpoint = readJson(path.join(folder, 'contexts', 'meta', hash, 'meta.json')) as
    | { Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } } }
    | undefined
  const host = endpoint?.Endpoints?.docker?.Host
  if (!host)
    throw new FleetError('config_invalid', `${from} does not say where its daemon is`, {
      remedy: 'See docker context ls and choose one with docker context use, or set DOCKER_HOST.',
    })
  const tlsFolder = path.join(folder, 'contexts', 'tls', hash, 'docker')
  const address = parseAddress(host, {}, from)
  const skipVerify = endpoint?.Endpoints?.docker?.SkipTLSVerify === true
  // Like the docker command: TLS is spoken where the context has files for it, or says not to verify.
  if (address.kind !== 'tcp' || !(existsSync(tlsFolder) || skipVerify)) return address
  const authority = existsSync(path.join(tlsFolder, 'ca.pem')) ? 'ca.pem' : 'system authorities'
  return { ...address, tls: { folder: tlsFolder, trust: skipVerify ? 'anyone' : authority } }
}

const dockerFolder = (env: Environment): string => env.DOCKER_CONFIG || path.join(env.HOME || homedir(), '.docker')

function currentContext(file: string): string | undefined {
  const config = readJson(file) as { currentContext?: unknown } | undefined
  return typeof config?.currentContext === 'string' ? config.currentContext : undefined
}

function readJson(file: string): unknown {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new FleetError('config_invalid', `${file} cannot be read as JSON`, {
      remedy: 'Mend or remove that file, or set DOCKER_HOST.',
      cause,
    })
  }
}

function urlOf(text: string, whole: string, from: string): URL {
  try {
    return new URL(text)
  } catch {
    throw notUnderstood(whole, from)
  }
}

function notUnderstood(text: string, from: string): FleetError {
  return new FleetError('config_invalid', `${from} names no address that arbdeck understands: ${text}`, {
    remedy: 'Use unix:///path, tcp://host:2375, tcp://host:2376 (TLS) or ssh://user@host.',
  })
}
