import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { ChainInfoSchema } from '../../src/protocol/chain.ts'
import { asFleetError } from '../../src/protocol/errors.ts'
import type { FleetEvent } from '../../src/protocol/event.ts'
import type { ServiceRecord } from '../../src/protocol/fleet.ts'
import { HEARTBEAT, keys, streams } from '../../src/protocol/keys.ts'
import type { LogLevel } from '../../src/protocol/records.ts'
import { now } from '../../src/protocol/schemas.ts'
import { type Instance, type InstanceOptions, startInstance } from './instance.ts'
import { executorKey, keyAddress, ownerKey, SANDBOX_EXECUTORS } from './keys.ts'
import { rest, tick } from './ticker.ts'

export interface SandboxOptions {
  memory: SharedMemory
  /** Of the traders: the same seed makes the same market. */
  seed: string
  /** Of the executors' keys. A secret. */
  practiceSeed: string
  /** Default 2000. */
  blockMs?: number
  fleet?: string
  ipcPath?: string
  host?: string
  port?: number
  /** How agents reach the node; default `ipc:PATH`, without a path `ws://HOST:PORT`. */
  publicUrl?: string
  anvilBinary?: string
  artefactsFile?: string
  log: (level: LogLevel, message: string) => void
  /** Aborting stops it. */
  signal?: AbortSignal
}

export interface Sandbox {
  /** Of the anvil that runs now: another after anvil died. */
  readonly chainInstance: string
  readonly url: string
  /** Resolves when nothing of it runs any more. May be repeated. */
  stop(): Promise<void>
}

const PAUSE_MS = { first: 500, most: 10_000 } as const
/** Blocks in a row that could not be mined before anvil is given up. */
const FAULTS = 3

/**
 * Starts the practice chain and keeps it: mines every `blockMs`, ready or not; says in shared memory what the chain is and
 * that it lives; when anvil dies, starts another one under a new chainInstance. Resolves when the first is published.
 *
 * @throws FleetError what startAnvil, deployMarket and shared memory throw, for the first start only
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const keeper = new Keeper(options)
  await keeper.begin()
  return keeper
}

class Keeper implements Sandbox {
  readonly #options: SandboxOptions
  readonly #instanceOptions: InstanceOptions
  readonly #ending = new AbortController()
  #instance: Instance | undefined
  #running: Promise<unknown> = Promise.resolve()
  #health: Pick<ServiceRecord, 'state' | 'note'> = { state: 'starting' }
  #mineFaults = 0

  constructor(options: SandboxOptions) {
    this.#options = options
    this.#instanceOptions = instanceOptions(options)
  }

  get chainInstance(): string {
    return this.#instance?.info.chainInstance ?? ''
  }

  get url(): string {
    return this.#instance?.info.url ?? ''
  }

  async begin(): Promise<void> {
    const onAbort = () => void this.stop()
    this.#options.signal?.throwIfAborted()
    this.#options.signal?.addEventListener('abort', onAbort, { once: true })
    this.#ending.signal.addEventListener('abort', () => this.#options.signal?.removeEventListener('abort', onAbort))
    try {
      await this.#record()
      await this.#boot()
      await this.#publish()
      this.#ending.signal.throwIfAborted()
    } catch (error) {
      await this.stop()
      throw error
    }
    const signal = this.#ending.signal
    this.#running = Promise.all([this.#keep(signal), tick(HEARTBEAT.everyMs, signal, () => this.#beat())])
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#running
    await this.#instance?.stop()
    await this.#try('withdraw the record of the sandbox', () =>
      this.#options.memory.write(keys.service('sandbox'), undefined),
    )
  }

  /** One anvil after the other, until the end. */
  async #keep(signal: AbortSignal): Promise<void> {
    let pauseMs: number = PAUSE_MS.first
    while (!signal.aborted) {
      const instance = this.#instance
      if (instance !== undefined) {
        await this.#live(instance, signal)
        if (signal.aborted) return
        await this.#lost(instance)
        pauseMs = PAUSE_MS.first
      }
      await rest(pauseMs, signal)
      pauseMs = Math.min(PAUSE_MS.most, pauseMs * 2)
      if (signal.aborted || !(await this.#try('start anvil again', () => this.#boot()))) continue
      await this.#try('publish the new chain', () => this.#publish())
    }
  }

  /** Mines until anvil is gone or the sandbox ends. */
  async #live(instance: Instance, signal: AbortSignal): Promise<void> {
    const gone = new AbortController()
    void instance.anvil.ended.then(() => gone.abort())
    await tick(this.#options.blockMs ?? 2_000, AbortSignal.any([signal, gone.signal]), async () => {
      const mined = await this.#try('mine a block', () => instance.mine())
      this.#mineFaults = mined ? 0 : this.#mineFaults + 1
      if (this.#mineFaults >= FAULTS) await instance.stop()
    })
  }

  async #boot(): Promise<void> {
    const instance = await startInstance(this.#instanceOptions)
    this.#instance = instance
    this.#mineFaults = 0
    this.#health = { state: 'healthy' }
    if (this.#ending.signal.aborted) await instance.stop()
  }

  /** Says which chain it is. Should this fail after a restart, the next beat does it. */
  async #publish(): Promise<void> {
    const instance = this.#instance
    if (instance === undefined || this.#ending.signal.aborted) return
    await this.#options.memory.write(keys.chain, instance.info)
    await this.#record()
    await this.#say(instance, 'started')
    this.#options.log('info', `chain ${this.chainInstance} at ${this.url}: ${instance.market.pools.length} pools`)
  }

  async #lost(instance: Instance): Promise<void> {
    const { code, signal, said } = await instance.anvil.ended
    const why = said.split('\n').at(-1) || `exit code ${code}, signal ${signal}`
    this.#instance = undefined
    this.#health = { state: 'unhealthy', note: `anvil ended: ${why}` }
    this.#options.log('error', `anvil ended (${why}); a new chain follows`)
    await instance.stop()
    await this.#try('report the loss of anvil', () => Promise.all([this.#record(), this.#say(instance, 'lost')]))
  }

  /** Renews the record, and the chain's description should shared memory not have it. */
  async #beat(): Promise<void> {
    await this.#try('renew the record of the sandbox', async () => {
      await this.#record()
      const published = await readAs(this.#options.memory, keys.chain, ChainInfoSchema)
      if (published?.value.chainInstance !== this.#instance?.info.chainInstance) await this.#publish()
    })
  }

  async #record(): Promise<void> {
    const url = this.#instance?.info.url
    const record: ServiceRecord = { name: 'sandbox', ...this.#health, ...(url ? { url } : {}), at: now() }
    await this.#options.memory.write(keys.service('sandbox'), record, { ttlMs: HEARTBEAT.ttlMs })
  }

  async #say({ info }: Instance, state: string): Promise<void> {
    const { chainInstance, chainId } = info
    const event: FleetEvent = { type: 'chain', at: now(), chainInstance, chainId, state }
    await this.#options.memory.stream(streams.events).append(event)
  }

  /** @returns whether it worked; what failed is logged, and tried again in its turn */
  async #try(what: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#options.log('warn', `could not ${what}: ${asFleetError(error).message}`)
      return false
    }
  }
}

function instanceOptions(options: SandboxOptions): InstanceOptions {
  const { fleet, ipcPath, host, port, publicUrl, artefactsFile, anvilBinary: binary } = options
  return {
    anvil: {
      ...(fleet === undefined ? {} : { fleet }),
      ...(ipcPath === undefined ? {} : { ipcPath }),
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(binary === undefined ? {} : { binary }),
    },
    seed: options.seed,
    owner: keyAddress(ownerKey(options.practiceSeed)),
    executors: Array.from({ length: SANDBOX_EXECUTORS }, (_, index) =>
      keyAddress(executorKey(options.practiceSeed, index + 1)),
    ),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(artefactsFile === undefined ? {} : { artefactsFile }),
  }
}
