import { setTimeout as pause } from 'node:timers/promises'
import type { RpcBlock } from '../../../agent/dex/chain-types.ts'
import type { TaskBus } from '../../../src/ports/bus/bus.ts'
import { streamAs } from '../../../src/ports/memory/typed.ts'
import { type FleetEvent, FleetEventSchema } from '../../../src/protocol/event.ts'
import { streams } from '../../../src/protocol/keys.ts'
import { startFleet } from '../../fixtures/agents.ts'
import type { Spread } from './published.ts'
import { spread } from './published.ts'

export interface PipelineAsked {
  /** Trades that are measured. */
  trades: number
  /** Another bus in the place of the embedded one; whoever opened it closes it. */
  bus?: TaskBus
}

export interface PipelineFigures {
  trades: number
  /** From the node's notification of the head to its notification of the transaction, both on one connection. Milliseconds. */
  submitted: Spread
}

/** Trades before the first that counts: by then the code and the tokens of the market are known. */
const WARM_UP = 30
const PATIENCE_MS = 120_000

/** Block seen to transaction submitted, through every stage of the whole fleet in this process. First attempts alone count. */
export async function benchPipeline({ trades, bus }: PipelineAsked): Promise<PipelineFigures> {
  const fleet = await startFleet('test-bench-pipeline', { blockMs: 1_000, ...(bus && { wrapBus: () => bus }) })
  try {
    const rpc = await fleet.rpc()
    const heads = new Map<number, number>()
    const pending = new Map<string, number>()
    await rpc.subscribe(['newHeads'], (head) => heads.set(Number((head as RpcBlock).number), performance.now()))
    await rpc.subscribe(['newPendingTransactions'], (tx) => pending.set(String(tx), performance.now()))
    const end = Date.now() + PATIENCE_MS
    let times: number[] = []
    while (times.length < trades + WARM_UP) {
      if (Date.now() > end) throw new Error(`${times.length} trades in ${PATIENCE_MS / 1000} s`)
      await pause(200)
      const events = await streamAs(fleet.memory, streams.events, FleetEventSchema, { last: 5_000 })
      times = timesOf(
        events.map((entry) => entry.value),
        heads,
        pending,
      )
    }
    return { trades, submitted: spread(times.slice(WARM_UP, WARM_UP + trades)) }
  } finally {
    await fleet.stop()
  }
}

function timesOf(
  events: readonly FleetEvent[],
  heads: ReadonlyMap<number, number>,
  pending: ReadonlyMap<string, number>,
): number[] {
  const found = new Map(events.flatMap((event) => (event.type === 'opportunity' ? [[event.id, event.block]] : [])))
  const again = new Set(events.flatMap((event) => (event.type === 'trade' && event.attempt > 1 ? [event.id] : [])))
  return events.flatMap((event) => {
    if (event.type !== 'execution' || again.has(event.id)) return []
    const [seen, sent] = [heads.get(found.get(event.id) ?? -1), pending.get(event.tx)]
    return seen === undefined || sent === undefined ? [] : [sent - seen]
  })
}
