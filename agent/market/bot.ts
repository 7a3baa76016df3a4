import type { TaskBus } from '../../src/ports/bus/bus.ts'
import type { Lease, SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { type ChainInfo, ChainInfoSchema } from '../../src/protocol/chain.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import type { FleetSpec } from '../../src/protocol/fleet.ts'
import { HEARTBEAT, keys, leases } from '../../src/protocol/keys.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import type { Rpc } from '../dex/rpc.ts'
import { Follower, newest } from './follow.ts'
import { type Health, openHealth } from './health.ts'
import { publishBlock } from './publish.ts'
import { pause, type Wakeable, wakeable } from './wake.ts'

export interface BotOptions {
  memory: SharedMemory
  bus: TaskBus
  /** The chain as shared memory describes it now; may wait for it (`openChainAccess`). */
  chain(): Promise<ChainInfo>
  /** A connection to that chain; another one when another instance took its place. Closed by whoever gave it. */
  rpc(): Promise<Rpc>
  spec: Pick<FleetSpec, 'limits' | 'minProfitWei' | 'planBlocks'>
  log: (level: LogLevel, message: string) => void
  /** Owner of the lease `bot`: another one for each process. */
  id: string
}

export interface Bot {
  /** Ends the watch and gives the lease back. May be repeated. */
  stop(): Promise<void>
}

const RETRY_MS = { first: 250, most: 5_000 } as const
const STOP_MS = 1_000
/** A node that has not answered for so long is said to be lost, also when its connection still waits. */
const SILENT_MS = 4_000

/**
 * Watches the chain for the whole fleet: of several bots only the holder of the lease `bot` does. Whatever fails is
 * logged, shown as an unhealthy `service/bot`, and tried again for ever.
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
  #lookingSince: number | undefined

  constructor(options: BotOptions) {
    this.#options = options
    this.#health = openHealth(options.memory, options.log)
    this.#done = Promise.all([this.#run(), this.#beatForEver(), this.#watchInstance()]).then(() => undefined)
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    this.#instance.abort()
    // A node that does not answer must not hold the end up: what waits for it ends with its connection.
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
      this.#lookingSince = undefined
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
    const { chain: describe, rpc: connect, spec, log, memory, bus } = this.#options
    const chain = await orAborted(describe(), this.#ending.signal)
    if (!chain) return
    const instance = new AbortController()
    this.#instance = instance
    this.#instanceName = chain.chainInstance
    const rpc = await orAborted(connect(), this.#ending.signal)
    if (!rpc) return
    const queue: RpcBlock[] = []
    const wake = wakeable(instance.signal)
    const unsubscribe = await rpc.subscribe(['newHeads'], (head) => {
      queue.push(head as RpcBlock)
      wake.nudge()
    })
    try {
      const follower = await Follower.start({
        chain,
        rpc,
        spec,
        log,
        onBlock: (head, found) => publishBlock({ memory, bus }, chain, head, found).catch((e) => this.#complain(e)),
      })
      onWorking()
      await this.#workHeads(follower, { rpc, queue, wake, signal: instance.signal })
    } finally {
      await unsubscribe()
    }
  }

  async #workHeads(follower: Follower, feed: Feed): Promise<void> {
    while (!this.#ended && !feed.signal.aborted && this.#lease) {
      const heads = feed.queue.splice(0)
      // Nothing came for a while: look whether that is true. This is also how a lost node is noticed.
      await follower.work(heads.length > 0 ? heads : [await this.#look(feed.rpc)])
      if (!this.#ended) this.#health.become('healthy')
      if (feed.queue.length === 0) await feed.wake.next(HEARTBEAT.everyMs)
    }
  }

  async #look(rpc: Rpc): Promise<RpcBlock> {
    this.#lookingSince = Date.now()
    const head = await newest(rpc)
    this.#lookingSince = undefined
    return head
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
        if (this.#lease) await this.#sayHowItIs()
      } catch (thrown) {
        this.#complain(thrown)
      }
      await pause(HEARTBEAT.everyMs, this.#ending.signal)
    }
  }

  async #sayHowItIs(): Promise<void> {
    const silentMs = this.#lookingSince === undefined ? 0 : Date.now() - this.#lookingSince
    if (silentMs > SILENT_MS) this.#health.become('unhealthy', 'the node does not answer')
    await this.#health.beat()
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
      await pause(RETRY_MS.most / 5, signal)
    }
  }

  #complain(thrown: unknown): void {
    const error = asFleetError(thrown)
    if (!this.#ended) this.#health.become('unhealthy', error.message)
  }
}

interface Feed {
  rpc: Rpc
  queue: RpcBlock[]
  wake: Wakeable
  signal: AbortSignal
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
