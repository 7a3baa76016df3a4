import { setTimeout as pause } from 'node:timers/promises'
import type { RpcBlock } from '../../../agent/dex/chain-types.ts'
import type { Rpc } from '../../../agent/dex/rpc.ts'
import type { TaskBus } from '../../../src/ports/bus/bus.ts'
import { streamAs } from '../../../src/ports/memory/typed.ts'
import { type FleetEvent, FleetEventSchema } from '../../../src/protocol/event.ts'
import { streams } from '../../../src/protocol/keys.ts'
import { startFleet, type TestFleet } from '../../fixtures/agents.ts'
import { ChainCalls } from './chain-calls.ts'
import { type Spread, spread } from './published.ts'

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
  /**
   * The reference: the sum of a trade's chain calls, from inspect to eth_sendRawTransaction. Those that trades of this run made
   * just before the measured ones, made again one after another while the node had nothing else to do. Milliseconds.
   */
  chainCalls: Spread
}

const BLOCK_MS = 1_000
/** Trades before the first whose calls are the reference: by then the code and the tokens of the market are known. */
const LEARNING = 20
/** Trades before the first that is measured. */
const WARM_UP = 40
const PATIENCE_MS = 120_000
const LOOK_MS = 500
/** After a head the trades of its block are under way; towards the next one the node is idle. */
const QUIET_MS = { from: 350, to: 800 } as const

/** Block seen to transaction submitted, through every stage of the whole fleet in this process. First attempts alone count. */
export async function benchPipeline({ trades, bus }: PipelineAsked): Promise<PipelineFigures> {
  const calls = new ChainCalls()
  const fleet = await startFleet('test-bench-pipeline', {
    blockMs: BLOCK_MS,
    wrapBus: (own) => calls.wrapBus(bus ?? own),
    wrapRpc: (rpc) => calls.wrapRpc(rpc),
  })
  try {
    const seen = await watch(fleet)
    const warm = await seen.untilSent(WARM_UP)
    calls.end()
    const alone: number[] = []
    for (const { id } of warm.slice(LEARNING)) {
      await seen.quiet()
      const ms = await calls.alone(id, seen.rpc)
      if (ms !== undefined) alone.push(ms)
    }
    if (alone.length === 0) throw new Error('no trade of the warm-up is known by its chain calls')
    // What was sent while that was done is not measured.
    const before = (await seen.untilSent(0)).length + 1
    const sent = await seen.untilSent(before + trades)
    const times = sent.slice(before, before + trades).map(({ ms }) => ms)
    return { trades, submitted: spread(times), chainCalls: spread(alone) }
  } finally {
    await fleet.stop()
  }
}

interface Sent {
  /** Of its opportunity. */
  id: string
  ms: number
}

interface Watch {
  rpc: Rpc
  /** All that were sent, once there are so many. @throws when that takes too long */
  untilSent(count: number): Promise<Sent[]>
  /** Until no trade is under way. */
  quiet(): Promise<void>
}

async function watch(fleet: TestFleet): Promise<Watch> {
  const rpc = await fleet.rpc()
  const heads = new Map<number, number>()
  const pending = new Map<string, number>()
  const events: FleetEvent[] = []
  let lastHead = 0
  let after: string | undefined
  await rpc.subscribe(['newHeads'], (head) => {
    lastHead = performance.now()
    heads.set(Number((head as RpcBlock).number), lastHead)
  })
  await rpc.subscribe(['newPendingTransactions'], (tx) => pending.set(String(tx), performance.now()))
  const look = async (): Promise<Sent[]> => {
    const said = await streamAs(fleet.memory, streams.events, FleetEventSchema, after ? { after } : { last: 5_000 })
    after = said.at(-1)?.id ?? after
    events.push(...said.map(({ value }) => value))
    return sentOf(events, heads, pending)
  }
  const untilSent = async (count: number): Promise<Sent[]> => {
    for (const end = Date.now() + PATIENCE_MS; ; await pause(LOOK_MS)) {
      const sent = await look()
      if (sent.length >= count) return sent
      if (Date.now() > end) throw new Error(`${sent.length} trades of ${count} in ${PATIENCE_MS / 1000} s`)
    }
  }
  const quiet = async (): Promise<void> => {
    const age = (): number => performance.now() - lastHead
    while (age() < QUIET_MS.from || age() > QUIET_MS.to) await pause(5)
  }
  return { rpc, untilSent, quiet }
}

function sentOf(
  events: readonly FleetEvent[],
  heads: ReadonlyMap<number, number>,
  pending: ReadonlyMap<string, number>,
): Sent[] {
  const found = new Map(events.flatMap((event) => (event.type === 'opportunity' ? [[event.id, event.block]] : [])))
  const again = new Set(events.flatMap((event) => (event.type === 'trade' && event.attempt > 1 ? [event.id] : [])))
  return events.flatMap((event) => {
    if (event.type !== 'execution' || again.has(event.id)) return []
    const [seen, sent] = [heads.get(found.get(event.id) ?? -1), pending.get(event.tx)]
    return seen === undefined || sent === undefined ? [] : [{ id: event.id, ms: sent - seen }]
  })
}
