import type { TaskBus } from '../../src/ports/bus/bus.ts'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { type ChainInfo, ChainInfoSchema, type PoolInfo, type TokenInfo } from '../../src/protocol/chain.ts'
import { asFleetError, FleetError } from '../../src/protocol/errors.ts'
import { keys } from '../../src/protocol/keys.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import type { PoolSource } from '../dex/discovery/discovery.ts'
import type { Health } from './health.ts'
import { Publisher } from './publish.ts'
import { runSearchThread } from './search-thread.ts'
import type { BlockTimings, SearchSpec, ThreadMessage } from './thread-messages.ts'

export interface WorkOptions {
  memory: SharedMemory
  bus: TaskBus
  spec: SearchSpec
  log: (level: LogLevel, message: string) => void
  /** The secret `rpc-url`, for a chain whose description has no URL. */
  rpcUrl?: (() => Promise<string>) | undefined
  /** How long one call of the node may take; 10,000 unless told. */
  rpcTimeoutMs?: number | undefined
  /** Where new pools come from while it runs. */
  source?: PoolSource | undefined
  /** The search thread's bundle; default: the one that the build lays beside this one. */
  threadEntry?: URL | undefined
  /** Told of each block when all that was found in it has been published. */
  onPublished?: ((block: PublishedBlock) => void) | undefined
}

export interface PublishedBlock extends BlockTimings {
  number: number
  found: number
  /** From the head's arrival in the search thread. */
  publishedMs: number
}

type Message = Exclude<ThreadMessage, { kind: 'fault' }>
type BlockMessage = Extract<Message, { kind: 'block' }>

/** A node that has owed an answer for so long is said to be lost, also when its connection still waits. */
const SILENT_MS = 4_000

/** Works one chain instance until the signal aborts: the search runs in a thread of its own, here is only said what it says. */
export async function workInstance(
  chain: ChainInfo,
  health: Health,
  options: WorkOptions,
  hooks: { signal: AbortSignal; onWorking: () => void },
): Promise<void> {
  const { spec, source, rpcTimeoutMs, threadEntry } = options
  const url = chain.url ?? (await options.rpcUrl?.())
  if (url === undefined) throw noUrl()
  const said = new Said(chain, health, options, hooks.onWorking)
  await runSearchThread({
    start: { chain, url, spec, ...(rpcTimeoutMs === undefined ? {} : { rpcTimeoutMs }), ...(source && { source }) },
    entry: threadEntry,
    onMessage: (message) => said.hear(message),
    signal: hooks.signal,
  })
}

class Said {
  readonly #health: Health
  readonly #options: WorkOptions
  readonly #onWorking: () => void
  readonly #publisher: Publisher
  #chain: ChainInfo
  /** The newest block that waits while another is published: one that is overtaken is left out. */
  #next: BlockMessage | undefined
  #publishing = false

  constructor(chain: ChainInfo, health: Health, options: WorkOptions, onWorking: () => void) {
    this.#chain = chain
    this.#health = health
    this.#options = options
    this.#onWorking = onWorking
    this.#publisher = new Publisher(options.memory, options.bus)
  }

  hear(message: Message): void {
    switch (message.kind) {
      case 'block':
        this.#next = message
        if (!this.#publishing) void this.#publishAll()
        return
      case 'log':
        this.#options.log(message.level, message.message)
        return
      case 'health':
        this.#hearHealth(message)
        return
      case 'pulse':
        if (message.waitingMs > SILENT_MS) this.#health.become('unhealthy', 'the node does not answer')
        return
      case 'pools':
        void this.#describe(message.pools, message.tokens)
    }
  }

  #hearHealth({ state, note }: Extract<Message, { kind: 'health' }>): void {
    if (state === 'working') this.#onWorking()
    this.#health.become(({ working: 'healthy', starting: 'starting', faulty: 'unhealthy' } as const)[state], note)
  }

  async #publishAll(): Promise<void> {
    this.#publishing = true
    for (let block = this.#take(); block; block = this.#take()) {
      try {
        await this.#publisher.publish(this.#chain, block)
        const publishedMs = performance.timeOrigin + performance.now() - block.timings.seenAt
        const { found, head, timings } = block
        this.#options.onPublished?.({ ...timings, number: head.number, found: found.length, publishedMs })
      } catch (thrown) {
        this.#health.become('unhealthy', asFleetError(thrown).message)
      }
    }
    this.#publishing = false
  }

  #take(): BlockMessage | undefined {
    const block = this.#next
    this.#next = undefined
    return block
  }

  /** Adds pools to the chain's description, from which all agents know them. */
  async #describe(pools: readonly PoolInfo[], tokens: readonly TokenInfo[]): Promise<void> {
    try {
      for (;;) {
        const known = await readAs(this.#options.memory, keys.chain, ChainInfoSchema)
        if (!known || known.value.chainInstance !== this.#chain.chainInstance) return
        const next = { ...known.value }
        next.pools = [...next.pools, ...pools.filter((pool) => !next.pools.some((old) => old.address === pool.address))]
        next.tokens = [
          ...next.tokens,
          ...tokens.filter((one) => !next.tokens.some((old) => old.address === one.address)),
        ]
        const written = await this.#options.memory.write(keys.chain, next, { expect: known.version })
        if (written === undefined) continue
        this.#chain = next
        return
      }
    } catch (thrown) {
      this.#options.log('warn', `new pools could not be described to the fleet: ${asFleetError(thrown).message}`)
    }
  }
}

const noUrl = (): FleetError =>
  new FleetError('config_invalid', 'the chain has no URL that the bot may use', {
    remedy: 'Start the fleet with --chain URL or --chain @FILE; the bot is handed it as a secret.',
  })
