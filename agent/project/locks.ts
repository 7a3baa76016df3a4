import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs, update } from '../../src/ports/memory/typed.ts'
import { asFleetError, FleetError } from '../../src/protocol/errors.ts'
import { type FileLock, FileLockSchema } from '../../src/protocol/file-lock.ts'
import { keys } from '../../src/protocol/keys.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import { claim, isFor, LOCK_TTL_MS, queued, released, renewed, type Waiter, withoutWaiter } from './lock-rules.ts'

const RENEW_MS = 3_000
/** A waiter looks at least so often, and says so that it waits still. */
const LOOK_MS = 2_000
/** A lock that nobody holds is remembered for its last token. */
const FREE_TTL_MS = 3_600_000

export interface HeldLock {
  path: string
  /** To be shown with every write. */
  token: number
  /** Aborts when it is no longer ours: given back, over, or lost because it could not be renewed. */
  ended: AbortSignal
  release(): Promise<void>
}

export interface LockRequest {
  /** How long to wait for others; 0: not at all. */
  waitMs: number
  /** It is given back after this time, whatever the holder does. */
  holdMs: number
  signal?: AbortSignal
}

export interface LocksParts {
  memory: SharedMemory
  /** The agent's id. */
  owner: string
  log(level: LogLevel, message: string): void
}

/**
 * Locks of files in the shared project, kept in shared memory. A lock lives as long as its agent renews it: when that dies,
 * the next in the queue has it within LOCK_TTL_MS.
 */
export class FileLocks {
  readonly #parts: LocksParts
  readonly #held = new Map<number, AbortController>()

  constructor(parts: LocksParts) {
    this.#parts = parts
  }

  /** @throws FleetError `conflict` (transient) naming the holder when it is not free within `waitMs` */
  async acquire(path: string, { waitMs, holdMs, signal }: LockRequest): Promise<HeldLock> {
    const waiter: Waiter = { id: randomUUID(), owner: this.#parts.owner }
    const end = Date.now() + waitMs
    const over = signal ?? new AbortController().signal
    const stop = new AbortController()
    const watching = this.#parts.memory.watch({ prefixes: [keys.fileLock(path)] }, stop.signal)[Symbol.asyncIterator]()
    let nudge: Promise<unknown> | undefined
    try {
      for (;;) {
        const taken = await this.#tryOnce(path, waiter)
        if (taken.mine) return this.#keep(path, taken.lock, holdMs)
        const left = end - Date.now()
        if (left <= 0 || over.aborted) throw busy(taken.lock)
        nudge ??= watching.next().finally(() => {
          nudge = undefined
        })
        await Promise.race([
          nudge,
          pause(Math.min(left, untilFree(taken.lock)), undefined, { signal: over }).catch(() => undefined),
        ])
      }
    } catch (thrown) {
      await this.#leaveQueue(path, waiter)
      throw thrown
    } finally {
      stop.abort()
    }
  }

  /** Ends at once every lock that this agent holds: for the end of the agent. */
  async close(): Promise<void> {
    for (const held of [...this.#held.values()]) held.abort()
  }

  /** Gives back what the token holds, whoever asks. @throws FleetError `conflict` when it holds nothing any more */
  async release(path: string, token: number): Promise<void> {
    this.#held.get(token)?.abort()
    await this.#giveBack(path, token)
  }

  /**
   * Makes sure that the token holds the lock now and for `forMs` more.
   * @throws FleetError `conflict` when another holds it, or nobody does: a stale writer is refused here
   */
  async confirm(path: string, token: number, forMs: number): Promise<void> {
    let now: FileLock | undefined
    let stands = false
    await update(this.#parts.memory, keys.fileLock(path), FileLockSchema, (lock) => {
      now = lock
      const next = renewed(lock, token, Date.now(), forMs)
      stands = next !== undefined
      return next
    })
    if (!stands) throw stale(path, token, now)
  }

  /** Takes it, or its place in the queue. @returns the lock as it is now, and whether it is ours */
  async #tryOnce(path: string, waiter: Waiter): Promise<{ lock: FileLock; mine: boolean }> {
    const { memory } = this.#parts
    for (;;) {
      const now = await readAs(memory, keys.fileLock(path), FileLockSchema)
      const mine = isFor(now?.value, waiter, Date.now())
      const asked = { path, waiter, nowMs: Date.now() }
      const next = mine ? claim(now?.value, { ...asked, token: await this.#nextToken() }) : queued(now?.value, asked)
      if (!next && !mine && now) return { lock: now.value, mine }
      if (!next) continue
      const written = await memory.write(keys.fileLock(path), next, { expect: now?.version ?? 'absent' })
      if (written !== undefined) return { lock: next, mine }
    }
  }

  async #nextToken(): Promise<number> {
    const next = await update(this.#parts.memory, keys.fileTokens, z.int(), (last) => (last ?? 0) + 1)
    return next as number
  }

  #keep(path: string, lock: FileLock, holdMs: number): HeldLock {
    const token = lock.holder?.token as number
    const ended = new AbortController()
    this.#held.set(token, ended)
    const work = this.#renew(path, token, Date.now() + holdMs, ended)
    return {
      path,
      token,
      ended: ended.signal,
      release: async () => {
        ended.abort()
        await work
      },
    }
  }

  /** Renews until its time is over or it was let go of, then gives it back. */
  async #renew(path: string, token: number, until: number, ended: AbortController): Promise<void> {
    const { log } = this.#parts
    let good = Date.now()
    while (!ended.signal.aborted) {
      await pause(Math.max(0, Math.min(RENEW_MS, until - Date.now())), undefined, {
        signal: ended.signal,
        ref: false,
      }).catch(() => undefined)
      if (ended.signal.aborted || Date.now() >= until) break
      try {
        await this.confirm(path, token, LOCK_TTL_MS)
        good = Date.now()
      } catch (thrown) {
        const error = asFleetError(thrown)
        if (error.code === 'conflict' || Date.now() - good > LOCK_TTL_MS) {
          log('warn', `the lock of ${path} was lost: ${error.message}`)
          break
        }
      }
    }
    this.#held.delete(token)
    ended.abort()
    await this.#giveBack(path, token).catch(() => undefined) // it ends by itself
  }

  async #giveBack(path: string, token: number): Promise<void> {
    const { memory } = this.#parts
    let now: FileLock | undefined
    let stands = false
    const free = (lock: FileLock | undefined): FileLock | undefined => {
      now = lock
      const next = released(lock, token, Date.now())
      stands = next !== undefined
      return next
    }
    await update(memory, keys.fileLock(path), FileLockSchema, free, FREE_TTL_MS)
    if (!stands) throw stale(path, token, now)
  }

  async #leaveQueue(path: string, { id }: Waiter): Promise<void> {
    const leave = (lock: FileLock | undefined) => lock && withoutWaiter(lock, id, Date.now())
    await update(this.#parts.memory, keys.fileLock(path), FileLockSchema, leave).catch(() => undefined)
  }
}

/** Until the lease of who holds it would end, and not longer than a waiter may be silent. */
const untilFree = ({ holder }: FileLock): number =>
  holder ? Math.max(1, Math.min(LOOK_MS, Date.parse(holder.until) - Date.now())) : LOOK_MS

function busy({ path, holder, waiting }: FileLock): FleetError {
  const who = holder ? `${holder.owner} holds it since ${holder.since}` : 'others wait for it'
  const before = waiting.length > 1 ? `, ${waiting.length - 1} wait` : ''
  return new FleetError('conflict', `${path} is locked: ${who}${before}`, {
    remedy: 'Ask again with a longer wait; arbdeck locks shows who holds what.',
    transient: true,
  })
}

function stale(path: string, token: number, lock: FileLock | undefined): FleetError {
  const holder = lock?.holder
  const who = holder && holder.token !== token ? `${holder.owner} holds it with token ${holder.token}` : 'it has ended'
  return new FleetError('conflict', `token ${token} does not hold the lock of ${path}: ${who}`, {
    remedy: 'Lock the file again, read it again, and write with the new token.',
  })
}
