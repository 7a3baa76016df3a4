import type { TaskBus } from '../../src/ports/bus/bus.ts'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { type ChainInfo, type Head, HeadSchema } from '../../src/protocol/chain.ts'
import type { FleetEvent } from '../../src/protocol/event.ts'
import { keys, streams } from '../../src/protocol/keys.ts'
import { now } from '../../src/protocol/schemas.ts'
import type { Opportunity } from '../../src/protocol/trade.ts'
import type { Hex } from '../../src/protocol/units.ts'
import { describeRoute } from '../dex/search.ts'
import { EVENTS_KEPT } from './health.ts'

const OPPORTUNITIES_KEPT = 1_000

/**
 * Says which block was worked through and what was found in it, once a block: after a restart the block that is said
 * already is not said again. A block whose publication breaks off is not repeated: the next one follows soon.
 */
export async function publishBlock(
  to: { memory: SharedMemory; bus: TaskBus },
  chain: ChainInfo,
  head: { number: number; hash: Hex },
  found: readonly Opportunity[],
): Promise<void> {
  const { memory, bus } = to
  const { chainInstance } = chain
  const last = await readAs(memory, keys.head, HeadSchema)
  if (last?.value.chainInstance === chainInstance && last.value.hash === head.hash) return
  const said: Head = { chainInstance, ...head, at: now(), pools: chain.pools.length }
  await memory.write(keys.head, said)
  for (const opportunity of found) {
    await memory.stream(streams.opportunities).append(opportunity, OPPORTUNITIES_KEPT)
    await memory.stream(streams.events).append(eventOf(opportunity, chain), EVENTS_KEPT)
    await bus.publish('coordinator', { kind: 'opportunity', opportunity, traceparent: traceparentOf(opportunity.id) })
  }
}

function eventOf(opportunity: Opportunity, chain: ChainInfo): FleetEvent {
  const { id, profitWei, block, hops, sizeRaw } = opportunity
  const route = describeRoute(hops, chain.tokens)
  return { type: 'opportunity', at: now(), id, profitWei, block, route, sizeRaw: sizeRaw.toString() }
}

/** A trace that everybody who knows the opportunity can name. */
const traceparentOf = (id: Hex): string => `00-${id.slice(2, 34)}-${id.slice(34, 50)}-01`
