import { setTimeout } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { SearchEngine } from '../../../agent/dex/search/search.ts'
import { readSnapshot } from '../../../agent/dex/search/snapshot-file.ts'
import { ChainInfoSchema } from '../../../src/protocol/chain.ts'
import { LimitsSchema } from '../../../src/protocol/limits.ts'
import type { V2Pool } from '../../../src/protocol/trade.ts'
import { address, raw, wei } from '../../../src/protocol/units.ts'

const WETH = address('0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2')
const BLOCKS = 50
const TOUCHED = 60

const { pools: states } = await readSnapshot(workerData as string)
const pools = [...states.values()].filter((pool): pool is V2Pool => pool.kind === 'v2')
const chain = ChainInfoSchema.parse({
  chainInstance: '1',
  chainId: 1,
  sandbox: false,
  url: null,
  weth: WETH,
  tokens: [],
  pools,
  lenders: [],
  executor: null,
  codeHashes: {},
  seed: null,
  at: new Date().toISOString(),
})
const limits = LimitsSchema.parse({
  maxInputRawPerTrade: String(10n ** 21n),
  maxInputRawPerHour: String(10n ** 22n),
  maxGasPerTrade: '1500000',
  maxFeePerGasWei: String(10n ** 11n),
})
const liquidity = new Map()
const engine = new SearchEngine({ pools: chain.pools, bases: [WETH] })
for (const pool of pools) engine.setPool(pool)
for (let block = 0; block < BLOCKS; block++) {
  engine.search({
    ...{ chain, block, limits, planBlocks: 4 },
    blockHash: `0x${'0'.repeat(64)}`,
    baseFeeWei: wei(2n * 10n ** 10n),
    minProfitWei: wei(10n ** 15n),
    liquidity,
  })
  for (let at = 0; at < TOUCHED; at++) {
    const pool = pools[(block * TOUCHED + at * 163) % pools.length] as V2Pool
    engine.setPool({ ...pool, reserve0: raw(pool.reserve0 + BigInt(block)) })
  }
  await setTimeout(0)
}
parentPort?.postMessage({ pools: pools.length, cycles: engine.stats.cycles, searches: BLOCKS })
