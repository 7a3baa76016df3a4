import { Redis } from 'ioredis'
import { FleetError } from '../../protocol/errors.ts'
import { hostOf, within } from '../opening.ts'
import type { Script } from './redis-scripts.ts'

/** A command waits this long for a connection that is coming back. */
const RECONNECT_GRACE_MS = 1_500
/** A command that is not answered within this time has failed; whether it took effect is unknown. */
const COMMAND_TIMEOUT_MS = 3_000

/** What Redis answers while it cannot serve: starting, out of memory or disk, a copy of another. */
const PASSING = /^(LOADING|BUSY|OOM|MISCONF|READONLY|MASTERDOWN|TRYAGAIN|ERR max number of clients)/

export interface RedisAddress {
  url: URL
  user: string | undefined
  password: string | undefined
}

/** One connection that comes back by itself; its commands fail within a bounded time, in our words. */
export class RedisLink {
  readonly #redis: Redis
  readonly #at: string
  #lastError: unknown

  private constructor(redis: Redis, at: string) {
    this.#redis = redis
    this.#at = at
    redis.on('error', (error) => {
      this.#lastError = error
    })
  }

  /** Connects once. @throws FleetError `memory_unreachable`, transient unless the password is refused */
  static async open(address: RedisAddress): Promise<RedisLink> {
    const link = await RedisLink.start(address)
    const redis = link.#redis
    try {
      await new Promise<void>((resolve, reject) => {
        redis.once('ready', resolve)
        redis.once('error', reject)
        redis.once('close', () => reject(new Error('it closed the connection')))
      })
      return link
    } catch (cause) {
      redis.disconnect()
      throw link.#explain(cause)
    }
  }

  /** Starts to connect, and goes on for ever, without waiting for it. */
  static async start({ url, user, password }: RedisAddress): Promise<RedisLink> {
    const redis = new Redis({
      host: hostOf(url),
      port: Number(url.port || 6379),
      db: Number(url.pathname.slice(1) || 0),
      ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
      ...(user === undefined ? {} : { username: user }),
      ...(password === undefined ? {} : { password }),
      connectionName: 'arbdeck',
      connectTimeout: 5_000,
      keepAlive: 5_000,
      commandTimeout: COMMAND_TIMEOUT_MS,
      // A command is sent once and on a live connection, or it fails: never late, never twice.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      retryStrategy: (times) => Math.min(100 * 2 ** Math.min(times, 6), 2_000) * (0.75 + Math.random() / 2),
    })
    return new RedisLink(redis, `${hostOf(url)}:${url.port || 6379}`)
  }

  /** Runs a command on a live connection. @throws FleetError `memory_unreachable` */
  async run<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      if (this.#redis.status !== 'ready') await this.#ready()
      return await command(this.#redis)
    } catch (cause) {
      // A connection that does not answer may be dead without knowing it.
      if (cause instanceof Error && cause.message === 'Command timed out') this.#redis.disconnect(true)
      throw this.#explain(cause)
    }
  }

  async script(script: Script, ...args: (string | number)[]): Promise<unknown> {
    return this.run(async (redis) => {
      try {
        return await redis.evalsha(script.sha, script.keys, ...args)
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
        return await redis.eval(script.lua, script.keys, ...args)
      }
    })
  }

  /** Calls `onReady` now if connected, and after every reconnect. */
  onReady(onReady: (redis: Redis) => void): void {
    this.#redis.on('ready', () => onReady(this.#redis))
    if (this.#redis.status === 'ready') onReady(this.#redis)
  }

  onClose(onClose: () => void): void {
    this.#redis.on('close', onClose)
  }

  reconnect(): void {
    this.#redis.disconnect(true)
  }

  close(): void {
    this.#redis.disconnect()
  }

  async #ready(): Promise<void> {
    let settle = () => {}
    const ready = new Promise<void>((resolve) => {
      settle = resolve
      this.#redis.once('ready', settle)
    })
    try {
      await within(RECONNECT_GRACE_MS, ready, () => new Error('not connected'))
    } finally {
      this.#redis.off('ready', settle)
    }
  }

  #explain(cause: unknown): FleetError {
    const text = [cause, this.#redis.status === 'ready' ? undefined : this.#lastError]
      .map((error) => (error instanceof Error ? error.message || ((error as NodeJS.ErrnoException).code ?? '') : ''))
      .filter((message) => message !== '')
    const why = [...new Set(text)].join('; ') || 'no answer'
    if (/WRONGPASS|NOAUTH|NOPERM/.test(why)) {
      return new FleetError('memory_unreachable', `Redis at ${this.#at} refuses the password`, {
        remedy: 'The password in the secrets folder is not that of this server: take the fleet down and up again.',
        cause,
      })
    }
    if (cause instanceof Error && cause.name === 'ReplyError' && !PASSING.test(cause.message)) {
      return new FleetError('internal', `Redis at ${this.#at} refused a command: ${cause.message}`, {
        remedy: 'This is a fault of arbdeck: run it again with --debug and report the trace.',
        cause,
      })
    }
    return new FleetError('memory_unreachable', `Redis did not answer at ${this.#at}: ${why}`, {
      remedy: 'It is tried again; see `arbdeck status` and `arbdeck logs redis` whether Redis runs.',
      transient: true,
      cause,
    })
  }
}
