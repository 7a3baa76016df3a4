import type { Engine, ObservedUnit, Usage } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { listAs, readAs } from '../ports/memory/typed.ts'
import { ChainInfoSchema, HeadSchema } from '../protocol/chain.ts'
import { asFleetError, FleetError } from '../protocol/errors.ts'
import { FailureSchema } from '../protocol/failure.ts'
import { FileLockSchema } from '../protocol/file-lock.ts'
import { AgentRecordSchema, HaltSchema, ServiceRecordSchema, WantedSchema } from '../protocol/fleet.ts'
import { keys, streams } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'
import { ProfitPointSchema, type Snapshot, TotalsSchema } from '../protocol/snapshot.ts'
import { OpportunitySchema } from '../protocol/trade.ts'
import { Ring } from './ring.ts'
import { type Seen, viewOf } from './view.ts'

/**
 * One live picture of everything. Asks the engine and shared memory; what cannot be seen just now is shown as it was
 * last seen, with its age: a fleet is never thought empty because somebody did not answer.
 */
export class Feed {
  readonly #engine: Engine
  readonly #memory: SharedMemory
  readonly #opportunities: Ring<typeof OpportunitySchema>
  readonly #profit: Ring<typeof ProfitPointSchema>
  readonly #staleSince = new Map<string, { since: string; message: string }>()
  #units: ObservedUnit[] | undefined
  #usage = new Map<string, Usage>()
  #shared: Omit<Seen, 'units' | 'usage'> | undefined

  constructor(engine: Engine, memory: SharedMemory) {
    this.#engine = engine
    this.#memory = memory
    this.#opportunities = new Ring(memory, streams.opportunities, OpportunitySchema, 100)
    this.#profit = new Ring(memory, streams.profit, ProfitPointSchema, 500)
  }

  /**
   * @param withUsage also asks for cpu and memory, which takes up to a second on Docker
   * @throws FleetError when a source has never answered
   */
  async snapshot(withUsage = false): Promise<Snapshot> {
    await Promise.all([
      this.#look('engine', async () => {
        this.#units = await this.#engine.list()
        if (withUsage)
          this.#usage = await this.#engine.usage(this.#units.filter((u) => u.state === 'running').map((u) => u.id))
      }),
      this.#look('memory', async () => {
        this.#shared = await this.#readShared()
      }),
    ])
    if (!this.#units || !this.#shared)
      throw new FleetError('fleet_busy', 'the fleet could not be seen yet', { remedy: 'Try again.', transient: true })
    const view = viewOf({ ...this.#shared, units: this.#units, usage: this.#usage }, now())
    return { ...view, stale: [...this.#staleSince].map(([source, stale]) => ({ source, ...stale })) }
  }

  async #look(source: string, look: () => Promise<void>): Promise<void> {
    try {
      await look()
      this.#staleSince.delete(source)
    } catch (thrown) {
      const error = asFleetError(thrown)
      const neverSeen = source === 'engine' ? !this.#units : !this.#shared
      if (neverSeen || !error.transient) throw error
      if (!this.#staleSince.has(source)) this.#staleSince.set(source, { since: now(), message: error.message })
    }
  }

  async #readShared(): Promise<Omit<Seen, 'units' | 'usage'>> {
    const memory = this.#memory
    const [wanted, halt, chain, head, agents, services, locks, failures] = await Promise.all([
      readAs(memory, keys.wanted, WantedSchema),
      readAs(memory, keys.halt, HaltSchema),
      readAs(memory, keys.chain, ChainInfoSchema),
      readAs(memory, keys.head, HeadSchema),
      listAs(memory, keys.agents, AgentRecordSchema),
      listAs(memory, keys.services, ServiceRecordSchema),
      listAs(memory, keys.fileLocks, FileLockSchema),
      listAs(memory, keys.failures, FailureSchema),
    ])
    if (!wanted)
      throw new FleetError('not_found', 'shared memory does not say which fleet is wanted', {
        remedy: 'Run arbdeck up: it writes it.',
      })
    const instance = chain?.value.chainInstance
    const [totals, opportunities, profit] = await Promise.all([
      instance === undefined ? undefined : readAs(memory, keys.totals(instance), TotalsSchema),
      this.#opportunities.read(),
      this.#profit.read(),
    ])
    return {
      wanted: wanted.value,
      halt: halt?.value,
      chain: chain?.value,
      head: head?.value.chainInstance === instance ? head?.value : undefined,
      agents,
      services,
      locks,
      failures,
      totals: totals?.value,
      opportunities: opportunities.filter((o) => o.chainInstance === instance).reverse(),
      profit,
    }
  }
}
