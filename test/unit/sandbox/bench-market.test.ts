import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadPools } from '../../../agent/dex/pools/load.ts'
import { findCycles } from '../../../agent/dex/search/cycles.ts'
import { bestSize } from '../../../agent/dex/search/size.ts'
import type { Lender, PoolState } from '../../../src/protocol/trade.ts'
import { type Hex, raw } from '../../../src/protocol/units.ts'
import { benchLayout } from '../../fixtures/bench-layout.ts'
import { BENCH_SIZE, type BenchMarket, startBenchMarket } from '../../fixtures/bench-market.ts'

const SMALL = { tokens: 30, pools: 120 }
const SYNC = '0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1'

const kept = process.env.XDG_CACHE_HOME
let folder: string
let market: BenchMarket
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'test-bench-market-'))
  process.env.XDG_CACHE_HOME = folder
  market = await startBenchMarket('small', SMALL)
})
afterAll(async () => {
  if (kept === undefined) delete process.env.XDG_CACHE_HOME
  else process.env.XDG_CACHE_HOME = kept
  await market?.stop()
  await rm(folder, { recursive: true })
})

async function statesOf({ rpc, pools }: BenchMarket): Promise<PoolState[]> {
  const head = await rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
  return loadPools(rpc, pools, head.hash)
}

async function paying(bench: BenchMarket): Promise<number> {
  const states = new Map((await statesOf(bench)).map((pool) => [pool.address, pool]))
  const terms = { lender: bench.lenders[0] as Lender, maxRaw: raw(10n ** 21n) }
  return findCycles(bench.pools, bench.weth, 3).filter((cycle) => {
    const sized = bestSize(cycle, states, terms)
    return sized !== undefined && sized.profitRaw > 10n ** 14n
  }).length
}

test('the market of the benchmarks has 2,000 pairs of 254 tokens, each named once', () => {
  const { tokens, pools } = benchLayout('bench', BENCH_SIZE)
  expect(tokens).toHaveLength(253)
  expect(new Set(pools.map((pool) => `${pool.dex} ${[...pool.pair].sort().join(' ')}`)).size).toBe(2_000)
  expect(new Set(tokens.map((token) => token.symbol)).size).toBe(253)
  expect(benchLayout('bench', BENCH_SIZE)).toEqual({ tokens, pools })
})

test('a touch mines one block in which so many different pools traded, and leaves cycles that pay, block after block', async () => {
  expect(await paying(market)).toBe(0)
  for (let block = 0; block < 4; block++) {
    const touched = await market.touch(20)
    const at = `0x${touched.block.toString(16)}`
    const logs = await market.rpc.request<{ address: string }[]>('eth_getLogs', [
      { fromBlock: at, toBlock: at, topics: [SYNC] },
    ])
    expect(logs).toHaveLength(20)
    expect(new Set(logs.map((log) => log.address)).size).toBe(20)
    expect(touched.apart).toHaveLength(2)
    expect(await paying(market)).toBeGreaterThan(0)
  }
})

test('a second start takes the kept state, and goes on as the first one did', async () => {
  const files = await readdir(join(folder, 'arbdeck-bench'))
  expect(files).toHaveLength(2)
  const again = await startBenchMarket('small', SMALL)
  try {
    for (let block = 0; block < 4; block++) await again.touch(20)
    expect(await statesOf(again)).toEqual(await statesOf(market))
    expect(again.pools).toEqual(market.pools)
  } finally {
    await again.stop()
  }
  expect(await readdir(join(folder, 'arbdeck-bench'))).toEqual(files)
})
