import type { TaskBus } from '../../src/ports/bus/bus.ts'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { type ChainInfo, type Head, HeadSchema } from '../../src/protocol/chain.ts'
import type { FleetEvent } from '../../src/protocol/event.ts'
import { keys, streams } from '../../src/protocol/keys.ts'
import { now } from '../../src/protocol/schemas.ts'
import type { Opportunity } from '../../src/protocol/trade.ts'
import type { Hex } from '../../src/protocol/units.ts'
import { describeRoute } from '../dex/search/opportunity.ts'
import { EVENTS_KEPT } from './health.ts'

const OPPORTUNITIES_KEPT = 1_000

export interface SearchedBlock {
  head: { number: number; hash: Hex }
  /** Pools that are followed. */
  pools: number
  found: readonly Opportunity[]
}

/** Says which blocks were worked through and what was found in them. One block at a time. */
export class Publisher {
  readonly #memory: SharedMemory
  readonly #bus: TaskBus
  #last: { chainInstance: string; hash: Hex } | undefined

  constructor(memory: SharedMemory, bus: TaskBus) {
    this.#memory = memory
    this.#bus = bus
  }

  /**
   * Once a block: after a restart the block that is said already is not said again. A block whose publication breaks off is
   * not repeated: the next one follows soon.
   */
  async publish(chain: Pick<ChainInfo, 'chainInstance' | 'tokens'>, block: SearchedBlock): Promise<void> {
    const { chainInstance } = chain
    const { head, pools, found } = block
    this.#last ??= (await readAs(this.#memory, keys.head, HeadSchema))?.value
    if (this.#last?.chainInstance === chainInstance && this.#last.hash === head.hash) return
    this.#last = { chainInstance, hash: head.hash }
    const said: Head = { chainInstance, ...head, at: now(), pools }
    await Promise.all([this.#memory.write(keys.head, said), ...found.map((each) => this.#offer(each, chain))])
  }

  async #offer(opportunity: Opportunity, chain: Pick<ChainInfo, 'tokens'>): Promise<void> {
    const traceparent = traceparentOf(opportunity.id)
    await Promise.all([
      this.#memory.stream(streams.opportunities).append(opportunity, OPPORTUNITIES_KEPT),
      this.#memory.stream(streams.events).append(eventOf(opportunity, chain), EVENTS_KEPT),
      this.#bus.publish('coordinator', { kind: 'opportunity', opportunity, traceparent }),
    ])
  }
}

function eventOf(opportunity: Opportunity, { tokens }: Pick<ChainInfo, 'tokens'>): FleetEvent {
  const { id, profitWei, block, hops, sizeRaw } = opportunity
  const route = describeRoute(hops, tokens)
  return { type: 'opportunity', at: now(), id, profitWei, block, route, sizeRaw: sizeRaw.toString() }
}

/** A trace that everybody who knows the opportunity can name. */
const traceparentOf = (id: Hex): string => `00-${id.slice(2, 34)}-${id.slice(34, 50)}-01`
