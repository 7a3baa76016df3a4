import { FleetError } from '../../protocol/errors.ts'
import { stringify } from '../../protocol/json.ts'
import type { Entry, Lease, SharedMemory, Stream, StreamEntry, WriteOptions } from './memory.ts'
import { Nudges, type Topics } from './nudges.ts'
import { type RedisAddress, RedisLink } from './redis-link.ts'
import { APPEND, LEASE, LIST, RENEW, WRITE } from './redis-scripts.ts'
import { checkStreamId, streamId } from './stream-id.ts'

const PING_EVERY_MS = 5_000
const DEFAULT_STREAM_LENGTH = 1_000

/** Shared memory on Redis 6.2 or later. All keys of a fleet begin with `arbdeck:FLEET:`. */
export class RedisMemory implements SharedMemory {
  readonly #link: RedisLink
  readonly #address: RedisAddress
  readonly #prefix: string
  readonly #channel: string
  readonly #nudges = new Nudges()
  #subscription: Promise<RedisLink> | undefined
  #subscribed = false
  #pinging: NodeJS.Timeout | undefined
  #closed = false

  private constructor(link: RedisLink, address: RedisAddress, fleet: string) {
    this.#link = link
    this.#address = address
    this.#prefix = `arbdeck:${fleet}:`
    this.#channel = `${this.#prefix}changes`
  }

  static async open(address: RedisAddress, fleet: string): Promise<RedisMemory> {
    return new RedisMemory(await RedisLink.open(address), address, fleet)
  }

  async read(key: string): Promise<Entry | undefined> {
    const held = await this.#link.run((redis) => redis.get(this.#valueKey(key)))
    return held === null ? undefined : entryOf(key, held)
  }

  async list(prefix: string): Promise<Entry[]> {
    const flat = (await this.#link.script(LIST, `${this.#prefix}index`, prefix, this.#valueKey(''))) as string[]
    const entries: Entry[] = []
    for (let i = 0; i + 1 < flat.length; i += 2) entries.push(entryOf(flat[i] ?? '', flat[i + 1] ?? ''))
    return entries
  }

  async write(key: string, value: unknown, options: WriteOptions = {}): Promise<number | undefined> {
    const { expect = 'any', ttlMs = 0 } = options
    const keys = [this.#valueKey(key), `${this.#prefix}versions`, `${this.#prefix}index`, `${this.#prefix}expiring`]
    const condition = expect === 0 ? 'absent' : String(expect)
    const args = [key, condition, ttlMs > 0 ? Math.ceil(ttlMs) : 0, this.#channel, this.#valueKey('')]
    const json = value === undefined ? [] : [stringify(value)]
    const version = (await this.#link.script(WRITE, ...keys, ...args, ...json)) as number
    return version < 0 ? undefined : version
  }

  async lease(name: string, owner: string, ttlMs: number): Promise<Lease | undefined> {
    const key = `${this.#prefix}lease:${name}`
    const token = (await this.#link.script(LEASE, key, `${this.#prefix}tokens`, owner, Math.ceil(ttlMs))) as number
    if (token < 0) return undefined
    const mine = `${token} ${owner}`
    return {
      token,
      renew: async (ms = ttlMs) => (await this.#link.script(RENEW, key, mine, Math.max(1, Math.ceil(ms)))) === 1,
      release: async () => {
        await this.#link.script(RENEW, key, mine, 0)
      },
    }
  }

  stream(name: string): Stream {
    const key = `${this.#prefix}stream:${name}`
    return {
      append: async (value, maxLength = DEFAULT_STREAM_LENGTH) => {
        const id = await this.#link.script(APPEND, key, maxLength, stringify(value), this.#channel, name)
        return padded(id as string)
      },
      read: async ({ after, last = 100 } = {}) => {
        if (after !== undefined) {
          const from = `(${checkStreamId(after)}`
          return (await this.#link.run((redis) => redis.xrange(key, from, '+'))).map(streamEntryOf)
        }
        if (last <= 0) return []
        const newestFirst = await this.#link.run((redis) => redis.xrevrange(key, '+', '-', 'COUNT', last))
        return newestFirst.map(streamEntryOf).reverse()
      },
    }
  }

  watch(topics: Topics, signal: AbortSignal): AsyncIterable<void> {
    return this.#nudges.watch(topics, signal, () => {
      if (!this.#closed) this.#subscription ??= this.#subscribe()
      return this.#subscribed
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#nudges.close()
    clearInterval(this.#pinging)
    this.#link.close()
    ;(await this.#subscription)?.close()
  }

  /** A connection of its own for the channel; whenever it is (again) subscribed, everybody looks: something may have been missed. */
  async #subscribe(): Promise<RedisLink> {
    const link = await RedisLink.start(this.#address)
    link.onClose(() => {
      this.#subscribed = false
    })
    link.onReady((redis) => {
      redis.removeAllListeners('message')
      redis.on('message', (_channel, message: string) => this.#hear(message))
      redis.subscribe(this.#channel).then(
        () => {
          this.#subscribed = true
          this.#nudges.allChanged()
        },
        () => link.reconnect(),
      )
    })
    this.#pinging = setInterval(() => {
      if (this.#subscribed) link.run((redis) => redis.ping()).catch(() => link.reconnect())
    }, PING_EVERY_MS).unref()
    return link
  }

  #hear(message: string): void {
    if (message.startsWith('k')) this.#nudges.keyChanged(message.slice(1))
    else this.#nudges.streamChanged(message.slice(1))
  }

  #valueKey(key: string): string {
    return `${this.#prefix}value:${key}`
  }
}

function entryOf(key: string, held: string): Entry {
  const space = held.indexOf(' ')
  return { key, version: Number(held.slice(0, space)), value: json(held.slice(space + 1), key) }
}

const streamEntryOf = ([id, fields]: [string, string[]]): StreamEntry => ({
  id: padded(id),
  value: json(fields[1] ?? '', `stream entry ${id}`),
})

function padded(id: string): string {
  const [ms = '', sequence = ''] = id.split('-')
  return streamId(ms, sequence)
}

function json(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new FleetError('malformed', `${what} in Redis is not JSON`, {
      remedy: 'Something else wrote it: take the fleet down and up again.',
      cause,
    })
  }
}
