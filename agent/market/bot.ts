import type { Lease } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { type ChainInfo, ChainInfoSchema } from '../../src/protocol/chain.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import { HEARTBEAT, keys, leases } from '../../src/protocol/keys.ts'
import { type Health, openHealth } from './health.ts'
import { pause } from './wake.ts'
import { type WorkOptions, workInstance } from './work-instance.ts'

export interface BotOptions extends WorkOptions {
  /** The chain as shared memory describes it now; may wait for it (`openChainAccess`). */
  chain(): Promise<ChainInfo>
  /** Owner of the lease `bot`: another one for each process. */
  id: string
}

export interface Bot {
  /** Ends the watch and gives the lease back. May be repeated. */
  stop(): Promise<void>
}

const RETRY_MS = { first: 250, most: 5_000 } as const
const STOP_MS = 1_000
const WATCH_AGAIN_MS = 1_000

/**
 * Watches the chain for the whole fleet: of several bots only the holder of the lease `bot` does. The watch itself is a
 * thread of its own; here are the lease, the heartbeat and what is published. Whatever fails is logged, shown as an unhealthy
 * `service/bot`, and tried again for ever.
 */
export function startBot(options: BotOptions): Bot {
  const bot = new Watch(options)
  return { stop: () => bot.stop() }
}

class Watch {
  readonly #options: BotOptions
  readonly #health: Health
  readonly #ending = new AbortController()
  readonly #done: Promise<void>
  #lease: Lease | undefined
  /** Ends the work on one chain instance. */
  #instance = new AbortController()
  #instanceName = ''

  constructor(options: BotOptions) {
    this.#options = options
    this.#health = openHealth(options.memory, options.log)
    this.#done = Promise.all([this.#run(), this.#beatForEver(), this.#watchInstance()]).then(() => undefined)
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    this.#instance.abort()
    // A memory that does not answer must not hold the end up.
    const patience = new AbortController()
    await Promise.race([this.#done, pause(STOP_MS, patience.signal)])
    patience.abort()
    if (!this.#lease) return
    await this.#health.leave()
    await this.#lease.release().catch((thrown: unknown) => this.#complain(thrown))
    this.#lease = undefined
  }

  get #ended(): boolean {
    return this.#ending.signal.aborted
  }

  /** Lease, chain, blocks; and again after whatever ended it. */
  async #run(): Promise<void> {
    let waitMs: number = RETRY_MS.first
    while (!this.#ended) {
      try {
        if (await this.#holdLease()) {
          await this.#workInstance(() => {
            waitMs = RETRY_MS.first
          })
          continue
        }
      } catch (thrown) {
        const error = asFleetError(thrown)
        if (!this.#ended) this.#health.become('unhealthy', `${error.message} ${error.remedy}`)
      }
      await pause(waitMs, this.#ending.signal)
      waitMs = Math.min(RETRY_MS.most, waitMs * 2)
    }
  }

  async #holdLease(): Promise<boolean> {
    this.#lease ??= await this.#options.memory.lease(leases.bot, this.#options.id, HEARTBEAT.ttlMs)
    return this.#lease !== undefined
  }

  /** Until the instance is replaced, the lease is lost, the bot ends, or something fails. */
  async #workInstance(onWorking: () => void): Promise<void> {
    const chain = await orAborted(this.#options.chain(), this.#ending.signal)
    if (!chain || this.#ended) return
    this.#instance = new AbortController()
    this.#instanceName = chain.chainInstance
    await workInstance(chain, this.#health, this.#options, { signal: this.#instance.signal, onWorking })
  }

  /** Renews lease and record. A lease that is lost ends the work at once: another bot has it. */
  async #beatForEver(): Promise<void> {
    while (!this.#ended) {
      try {
        if (this.#lease && !(await this.#lease.renew(HEARTBEAT.ttlMs))) {
          this.#options.log('warn', 'the lease is lost: another bot watches, or it came too late')
          this.#lease = undefined
          this.#instance.abort()
        }
        if (this.#lease) await this.#health.beat()
      } catch (thrown) {
        this.#complain(thrown)
      }
      await pause(HEARTBEAT.everyMs, this.#ending.signal)
    }
  }

  /** Another chain instance under the key `chain` ends the work on the old one. */
  async #watchInstance(): Promise<void> {
    const { memory } = this.#options
    const signal = this.#ending.signal
    while (!this.#ended) {
      try {
        for await (const _nudge of memory.watch({ prefixes: [keys.chain] }, signal)) {
          const now = await readAs(memory, keys.chain, ChainInfoSchema)
          if (now && this.#instanceName !== '' && now.value.chainInstance !== this.#instanceName) this.#instance.abort()
        }
      } catch (thrown) {
        this.#complain(thrown)
      }
      await pause(WATCH_AGAIN_MS, signal)
    }
  }

  #complain(thrown: unknown): void {
    const error = asFleetError(thrown)
    if (!this.#ended) this.#health.become('unhealthy', error.message)
  }
}

/** The value, or undefined when the signal aborts first. */
function orAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(undefined)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    value.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
