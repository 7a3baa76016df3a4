import type { FileLock } from '../../src/protocol/file-lock.ts'

/** A lock, or a place in its queue, that is not renewed ends after this time. */
export const LOCK_TTL_MS = 10_000

export interface Waiter {
  id: string
  owner: string
}

const freeLock = (path: string): FileLock => ({ path, holder: null, waiting: [], lastToken: 0 })
const iso = (ms: number): string => new Date(ms).toISOString()

/** The lock without what has ended: a holder or a waiter that did not renew in time. Pure, as all here. */
export function alive(lock: FileLock, nowMs: number): FileLock {
  const lasts = ({ until }: { until: string }) => Date.parse(until) > nowMs
  const holder = lock.holder && lasts(lock.holder) ? lock.holder : null
  return { ...lock, holder, waiting: lock.waiting.filter(lasts) }
}

/** Whether a waiter may take it now: nobody holds it, and nobody waits before. */
export function isFor(lock: FileLock | undefined, waiter: Waiter, nowMs: number): boolean {
  const now = alive(lock ?? freeLock(''), nowMs)
  return now.holder === null && (now.waiting[0]?.id ?? waiter.id) === waiter.id
}

/**
 * Takes the lock.
 * @param token larger than every earlier one of the fleet
 * @returns undefined when it is not this waiter's turn, or the token is not larger than the last holder's: draw another
 */
export function claim(
  lock: FileLock | undefined,
  { path, waiter, token, nowMs }: { path: string; waiter: Waiter; token: number; nowMs: number },
): FileLock | undefined {
  const now = alive(lock ?? freeLock(path), nowMs)
  if (!isFor(lock, waiter, nowMs) || token <= now.lastToken) return undefined
  const holder = { owner: waiter.owner, token, since: iso(nowMs), until: iso(nowMs + LOCK_TTL_MS) }
  return { ...now, holder, waiting: now.waiting.filter(({ id }) => id !== waiter.id), lastToken: token }
}

/**
 * Takes a place at the end of the queue, or keeps the one it has.
 * @returns undefined when there is nothing to write: its place is good for some time yet
 */
export function queued(
  lock: FileLock | undefined,
  { path, waiter, nowMs }: { path: string; waiter: Waiter; nowMs: number },
): FileLock | undefined {
  const now = alive(lock ?? freeLock(path), nowMs)
  const mine = now.waiting.find(({ id }) => id === waiter.id)
  if (mine && Date.parse(mine.until) - nowMs > LOCK_TTL_MS / 2) return undefined
  const until = iso(nowMs + LOCK_TTL_MS)
  const waiting = mine
    ? now.waiting.map((one) => (one === mine ? { ...one, until } : one))
    : [...now.waiting, { ...waiter, since: iso(nowMs), until }]
  return { ...now, waiting }
}

/** Renews what the token holds, for at least `forMs`. @returns undefined when it holds nothing any more */
export function renewed(
  lock: FileLock | undefined,
  token: number,
  nowMs: number,
  forMs = LOCK_TTL_MS,
): FileLock | undefined {
  const now = lock && alive(lock, nowMs)
  if (!now?.holder || now.holder.token !== token) return undefined
  const until = iso(Math.max(Date.parse(now.holder.until), nowMs + forMs))
  return { ...now, holder: { ...now.holder, until } }
}

/** @returns undefined when the token holds nothing any more */
export function released(lock: FileLock | undefined, token: number, nowMs: number): FileLock | undefined {
  const now = lock && alive(lock, nowMs)
  return now?.holder?.token === token ? { ...now, holder: null } : undefined
}

/** Without a waiter that gave up. */
export function withoutWaiter(lock: FileLock, id: string, nowMs: number): FileLock {
  const now = alive(lock, nowMs)
  return { ...now, waiting: now.waiting.filter((waiter) => waiter.id !== id) }
}
