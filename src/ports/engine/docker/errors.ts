import { FleetError } from '../../../protocol/errors.ts'
import { type DockerAddress, describeAddress, USUAL_SOCKET } from './address.ts'

/** What was asked of the daemon when it failed. */
export interface Errand {
  /** Completes "could not …": `start executor-1`. */
  what: string
  address: DockerAddress
  /** The image concerned, if any. */
  image?: string
  /** Set when we gave up waiting. */
  timedOutMs?: number
}

interface Thrown {
  code?: string
  statusCode?: number
  message?: string
}

/** Anything thrown by dockerode, as a FleetError: the daemon cannot be reached, or it refused, and why. */
export function dockerError(thrown: unknown, errand: Errand): FleetError {
  if (thrown instanceof FleetError) return thrown
  const { code, statusCode, message = String(thrown) } = (thrown ?? {}) as Thrown
  if (statusCode === undefined) return unreachable(code, message, errand, thrown)
  const why = daemonsWords(message)
  const failed = `could not ${errand.what}: ${why}`
  const full = diskFull(failed, thrown)
  if (full) return full
  if (/HTTP request to an HTTPS server/i.test(why)) return speaksTls(errand, thrown)
  if (/no such image|manifest unknown|pull access denied|not found: manifest|dial tcp: lookup/i.test(why))
    return imageUnavailable(errand.image ?? 'an image', why, thrown)
  return new FleetError('engine_refused', failed, {
    remedy: 'Docker said why: correct that, then run the same command again.',
    transient: statusCode >= 500,
    cause: thrown,
  })
}

/** The HTTP status of a dockerode error; undefined when the daemon did not answer. */
export const statusOf = (thrown: unknown): number | undefined => (thrown as Thrown | undefined)?.statusCode

/** When the words say that the disk of the daemon is full, whatever was asked of it. */
export function diskFull(words: string, cause?: unknown): FleetError | undefined {
  if (!/no space left on device|disk quota exceeded|ENOSPC/i.test(words)) return undefined
  return new FleetError('disk_full', `${words} (the disk of the Docker daemon is full)`, {
    remedy:
      'Free some space: docker system df shows what takes it, docker system prune removes what no container uses.',
    cause,
  })
}

const OWN_IMAGES = 'arbdeck-'

export function imageUnavailable(image: string, why: string, cause?: unknown): FleetError {
  const remedy = image.startsWith(OWN_IMAGES)
    ? 'Run arbdeck up again, which makes what is missing (arbdeck build shows every line of it).'
    : `Let the daemon reach the image's registry, or load the image (docker load), or name one that it has: ${variableOf(image)}, in the environment or in .env.`
  const message = `the image ${image} is not on this Docker daemon and cannot be had: ${why}`
  return new FleetError('image_unavailable', message, { remedy, cause })
}

/** The variable that names an infrastructure image: of `redis:7.4-alpine` it is ARBDECK_IMAGE_REDIS. */
function variableOf(image: string): string {
  const name =
    image
      .replace(/[:@][^/]*$/, '')
      .split('/')
      .at(-1) ?? ''
  const known = ['redis', 'rabbitmq', 'postgres'].find((part) => name.includes(part))
  if (known === undefined && !name.includes('node')) return 'one of the variables ARBDECK_IMAGE_*'
  return `ARBDECK_IMAGE_${(known ?? 'base').toUpperCase()}`
}

/** `(HTTP code 500) server error - Bind for … failed ` without dockerode's frame. */
export const daemonsWords = (message: string): string => message.replace(/^\(HTTP code \d+\) [^-]*- /, '').trim()

function unreachable(code: string | undefined, message: string, errand: Errand, cause: unknown): FleetError {
  const at = `${describeAddress(errand.address)} (from ${errand.address.from})`
  const { why, remedy } = reason(code, message, errand)
  return new FleetError('engine_unreachable', `Docker cannot be reached at ${at}: ${why}`, {
    remedy,
    transient: true,
    cause,
  })
}

function speaksTls({ address }: Errand, cause: unknown): FleetError {
  return new FleetError('engine_unreachable', `the daemon at ${describeAddress(address)} speaks TLS and nothing else`, {
    remedy: 'Set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem.',
    cause,
  })
}

const WITHOUT = 'or pass --engine embedded to run the fleet without Docker.'

function reason(code: string | undefined, message: string, errand: Errand): { why: string; remedy: string } {
  if (errand.timedOutMs !== undefined)
    return {
      why: `no answer within ${errand.timedOutMs} ms (could not ${errand.what})`,
      remedy: `See whether the daemon is overloaded or stuck (docker info), ${WITHOUT}`,
    }
  const unix = errand.address.kind === 'unix' ? errand.address : undefined
  switch (code) {
    case 'ENOENT':
      return {
        why: unix ? 'there is no such socket' : message,
        remedy: `Install Docker or start it (${unix?.socketPath === USUAL_SOCKET ? 'systemctl start docker' : 'or correct DOCKER_HOST or the Docker context'}), ${WITHOUT}`,
      }
    case 'EACCES':
    case 'EPERM':
      return {
        why: 'this user may not use the socket',
        remedy: `Join the group that owns it (usermod -aG docker USER, then log in again), or run as a user who may, ${WITHOUT}`,
      }
    case 'ECONNREFUSED':
      return {
        why: 'nobody listens there',
        remedy: unix
          ? `The socket is there but its daemon is gone: start Docker again, ${WITHOUT}`
          : `Start the daemon there, or correct DOCKER_HOST, ${WITHOUT}`,
      }
    case 'ECONNRESET':
    case 'EPIPE':
      return { why: `the connection broke (${message})`, remedy: `See whether the daemon is still running, ${WITHOUT}` }
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { why: 'its host name is not known', remedy: `Correct DOCKER_HOST or the Docker context, ${WITHOUT}` }
    default:
      if (/CERT|ISSUER|SIGNATURE|SSL|TLS|EPROTO/.test(code ?? ''))
        return {
          why: `they do not trust each other: ${message}`,
          remedy: 'See that ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH (or in the context) are of that daemon.',
        }
      return { why: message, remedy: `Correct DOCKER_HOST or the Docker context, ${WITHOUT}` }
  }
}
