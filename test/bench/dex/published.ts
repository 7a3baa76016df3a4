import { setTimeout as pause } from 'node:timers/promises'
import type { RpcBlock, RpcLog } from '../../../agent/dex/chain-types.ts'
import { openRpc, type Rpc } from '../../../agent/dex/rpc.ts'
import { startBot } from '../../../agent/market/bot.ts'
import type { PublishedBlock } from '../../../agent/market/work-instance.ts'
import { openBus } from '../../../src/ports/bus/open.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { LimitsSchema } from '../../../src/protocol/limits.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { wei } from '../../../src/protocol/units.ts'
import { type BenchMarket, startBenchMarket } from '../../fixtures/bench-market.ts'

export interface BlocksAsked {
  blocks: number
  /** Pools that trade in each block. */
  touched: number
  /** The search thread's bundle. */
  threadEntry: URL
}

/** Milliseconds. */
export interface Spread {
  p50: number
  p99: number
  worst: number
}

export interface BlockFigures {
  pools: number
  touched: number
  blocks: number
  /** Opportunities of a block, on average. */
  found: number
  /** Blocks whose first search held, of all. */
  held: number
  /** From the head's arrival in the bot to the last opportunity's publication in shared memory and on the bus. */
  published: Spread
  /** … to the end of the search; to the proof that all logs were there. */
  searched: Spread
  proven: Spread
  /** The reference: from the node's first notification of a block, log or head, to its last, on a connection of its own. */
  delivered: Spread
  /** From that first notification to the last publication. */
  sinceFirstNotification: Spread
}

const WARM_UP = 5
const BETWEEN_BLOCKS_MS = 30
const PATIENCE_MS = 20_000

/**
 * Block seen to opportunities published: a bot with its search thread over the market of thousands of pools, whose blocks
 * come one by one, each when the one before is published.
 */
export async function benchBlocks({ blocks, touched, threadEntry }: BlocksAsked): Promise<BlockFigures> {
  const market = await startBenchMarket()
  const memory = await openMemory('embedded:', { fleet: 'test-bench' })
  const bus = await openBus('embedded:', { fleet: 'test-bench' })
  const rpc = await openRpc(market.url)
  const published = new Map<number, PublishedBlock>()
  const chain = describe(market)
  const faults: string[] = []
  const bot = startBot({
    ...{ memory, bus, id: 'bench', threadEntry, chain: async () => chain },
    spec: { limits: LIMITS, minProfitWei: wei(10n ** 13n), planBlocks: 8 },
    log: (level, message) => void (level === 'warn' && faults.push(message)),
    onPublished: (block) => published.set(block.number, block),
  })
  try {
    await until(() => published.size > 0, faults)
    const heard = await hear(rpc)
    const numbers: number[] = []
    for (let turn = 0; turn < blocks + WARM_UP; turn++) {
      const { block } = await market.touch(touched)
      await until(() => published.has(block) && heard.has(block), faults)
      await pause(BETWEEN_BLOCKS_MS)
      if (turn >= WARM_UP) numbers.push(block)
    }
    const said = numbers.map((number) => published.get(number) as PublishedBlock)
    const times = numbers.map((number) => heard.get(number) as Heard)
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    return {
      ...{ pools: market.pools.length, touched, blocks },
      found: mean(said.map((block) => block.found)),
      held: mean(said.map((block) => (block.held ? 1 : 0))),
      published: spread(said.map((block) => block.publishedMs)),
      searched: spread(said.map((block) => block.searchedMs)),
      proven: spread(said.map((block) => block.provenMs)),
      delivered: spread(times.map(({ first, last }) => last - first)),
      sinceFirstNotification: spread(
        said.map((block, at) => block.seenAt + block.publishedMs - (times[at] as Heard).first),
      ),
    }
  } finally {
    await bot.stop()
    rpc.close()
    await market.stop()
    await bus.close()
    await memory.close()
  }
}

const LIMITS = LimitsSchema.parse({
  maxInputRawPerTrade: String(200n * 10n ** 18n),
  maxInputRawPerHour: String(10n ** 23n),
  tokens: { USDC: { maxInputRawPerTrade: '600000000000', maxInputRawPerHour: '300000000000000' } },
  maxGasPerTrade: '1500000',
  maxFeePerGasWei: '100000000000',
})

const describe = ({ url, weth, bases, tokens, pools, lenders }: BenchMarket): ChainInfo => ({
  ...{ chainInstance: 'bench', chainId: 31337, sandbox: true, url, weth, bases: [...bases], l1Fee: 'none' },
  ...{ finalityBlocks: 2, submit: 'public', tokens: [...tokens], pools: [...pools], lenders: [...lenders] },
  ...{ executor: null, codeHashes: {}, seed: null, at: now() },
})

/** Of one block: when the first and the last of its notifications came, milliseconds since 1970. */
interface Heard {
  first: number
  last: number
}

async function hear(rpc: Rpc): Promise<ReadonlyMap<number, Heard>> {
  const heard = new Map<number, Heard>()
  const note = (number: number): void => {
    const at = performance.timeOrigin + performance.now()
    heard.set(number, { first: heard.get(number)?.first ?? at, last: at })
  }
  await rpc.subscribe(['newHeads'], (head) => note(Number((head as RpcBlock).number)))
  await rpc.subscribe(['logs', {}], (log) => note(Number((log as RpcLog).blockNumber)))
  return heard
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
  const rounded = (value: number) => Math.round(value * 100) / 100
  return { p50: rounded(at(0.5)), p99: rounded(at(0.99)), worst: rounded(at(1)) }
}

async function until(holds: () => boolean, faults: readonly string[]): Promise<void> {
  const end = Date.now() + PATIENCE_MS
  while (!holds()) {
    if (Date.now() > end) throw new Error(`the bot did not come along: ${faults.at(-1) ?? 'it said nothing'}`)
    await pause(1)
  }
}
