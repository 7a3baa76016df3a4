import { setTimeout as sleep } from 'node:timers/promises'
import { asFleetError, FleetError } from '../protocol/errors.ts'

/**
 * A server's address, checked. The processes of a fleet are handed addresses without a password: that is a file.
 * @throws FleetError `config_invalid`
 */
export function serverUrl(text: string, wanted: { name: string; schemes: readonly string[]; example: string }): URL {
  const refuse = (why: string) =>
    new FleetError('config_invalid', `${wanted.name} ${why}`, { remedy: `Set it to ${wanted.example}.` })
  if (!URL.canParse(text)) throw refuse('is not a URL')
  const url = new URL(text)
  if (!wanted.schemes.includes(url.protocol)) throw refuse(`begins with ${url.protocol}, which no adapter knows`)
  if (url.hostname === '') throw refuse('names no host')
  if (url.password !== '') throw refuse('holds a password: it belongs in a file of the secrets folder')
  return url
}

/** Host without the brackets of an IPv6 address, as sockets want it. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

/**
 * Opens something that may not be up yet: tries again for up to `waitMs` while it fails with a transient error.
 * 0 tries once.
 */
export async function openWithin<T>(waitMs: number, attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + waitMs
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
    try {
      return await attempt()
    } catch (thrown) {
      if (!asFleetError(thrown).transient || performance.now() + pauseMs > until) throw thrown
      await sleep(pauseMs)
    }
  }
}

/** The promise, or what `late` throws after `ms`. The promise's own later failure is swallowed. */
export async function within<T>(ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  promise.catch(() => undefined)
  try {
    return await Promise.race([promise, timeUp])
  } finally {
    clearTimeout(timer)
  }
}
