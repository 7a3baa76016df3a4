import type { TaskBus } from '../../src/ports/bus/bus.ts'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { basesOf, type ChainInfo, ChainInfoSchema } from '../../src/protocol/chain.ts'
import { asFleetError, FleetError } from '../../src/protocol/errors.ts'
import { keys } from '../../src/protocol/keys.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import { wei } from '../../src/protocol/units.ts'
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
  /** Where new pools come from while it runs; unless told, from where the chain's description says. */
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
type PoolsMessage = Extract<Message, { kind: 'pools' }>

/** A node that has owed an answer for so long is said to be lost, also when its connection still waits. */
const SILENT_MS = 4_000

/** Works one chain instance until the signal aborts: the search runs in a thread of its own, here is only said what it says. */
export async function workInstance(
  chain: ChainInfo,
  health: Health,
  options: WorkOptions,
  hooks: { signal: AbortSignal; onWorking: () => void },
): Promise<void> {
  const { spec, rpcTimeoutMs, threadEntry, source = sourceOf(chain, spec) } = options
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

/** New pools between the tokens that are known, as deep as the risk rules want those that are traded over. */
function sourceOf(chain: ChainInfo, { risk }: SearchSpec): PoolSource | undefined {
  if (!chain.poolSource) return undefined
  return {
    factories: chain.poolSource.factories,
    bases: [...new Set([...(chain.weth ? [chain.weth] : []), ...basesOf(chain)])],
    allowTokens: chain.tokens.map((token) => token.address),
    // At the start, too, none is taken that is empty.
    minDepthWei: risk && risk.minDepthWei > 0n ? risk.minDepthWei : wei(1n),
  }
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
  /** New pools that the fleet has not been told of. */
  #untold: PoolsMessage[] = []

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
        this.#untold.push(message)
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
        await this.#tellPools()
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

  /**
   * Adds new pools to the chain's description, from which all agents know them and their code: before a block in which they
   * may have been traded over is published. What the memory does not take is told with the next block.
   */
  async #tellPools(): Promise<void> {
    const [message] = this.#untold
    if (!message) return
    const known = await readAs(this.#options.memory, keys.chain, ChainInfoSchema)
    if (!known || known.value.chainInstance !== this.#chain.chainInstance) return
    const next = withPools(known.value, message)
    // Written by somebody else meanwhile: again.
    if ((await this.#options.memory.write(keys.chain, next, { expect: known.version })) !== undefined) {
      this.#chain = next
      this.#untold.shift()
    }
    await this.#tellPools()
  }
}

/** A chain's description with pools, their code and their tokens added that it does not have yet. */
function withPools(chain: ChainInfo, { pools, tokens }: PoolsMessage): ChainInfo {
  const next = { ...chain, pools: [...chain.pools], tokens: [...chain.tokens], codeHashes: { ...chain.codeHashes } }
  for (const { pool, codeKey, codeHash } of pools) {
    if (!next.pools.some(({ address }) => address === pool.address)) next.pools.push(pool)
    next.codeHashes[codeKey] = [...new Set([...(next.codeHashes[codeKey] ?? []), codeHash])]
  }
  for (const token of tokens) if (!next.tokens.some(({ address }) => address === token.address)) next.tokens.push(token)
  return next
}

const noUrl = (): FleetError =>
  new FleetError('config_invalid', 'the chain has no URL that the bot may use', {
    remedy: 'Start the fleet with --chain URL or --chain @FILE; the bot is handed it as a secret.',
  })
