import { type CycleIndex, cycleCount, indexCycles } from '../../../agent/dex/search/cycle-index.ts'
import { Estimates } from '../../../agent/dex/search/estimates.ts'
import { scanPools } from '../../../agent/dex/search/scan.ts'
import type { Sized } from '../../../agent/dex/search/size.ts'
import { readSnapshot } from '../../../agent/dex/search/snapshot-file.ts'
import { stringify } from '../../../src/protocol/json.ts'
import type { PoolState, V2Pool } from '../../../src/protocol/trade.ts'
import { address, raw } from '../../../src/protocol/units.ts'
import { amountOut, bestProfit, type Leg } from './big-reference.ts'
import { type Figure, figure, quantile, rounded, timed } from './figures.ts'

const WETH = address('0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2')
/** Of the snapshot of record, certified by its dual: no set of trades takes more. */
const BOUND_ETH = 81.76711
const OF_RECORD = { pools: 10_704, cycles: 211_346 }
const RUNS = 9
const TOUCHES = 7

const snapshot = await readSnapshot(process.argv[2] as string)
const pools = [...snapshot.pools.values()].filter((pool): pool is V2Pool => pool.kind === 'v2')

const indexRuns = timed(RUNS, () => indexCycles({ pools, bases: [WETH], maxHops: 4 }))
const index = indexCycles({ pools, bases: [WETH], maxHops: 4 })
const estimates = new Estimates(index)
for (const [place, pool] of pools.entries()) estimates.setPool(place, pool)
const fullRuns = timed(RUNS, () => estimates.evaluateAll())
const fullMs = quantile(fullRuns, 0.5)
const [bigMs] = timed(1, () => everyCycleInWholeNumbers(index)) as [number]
const ofRecord = pools.length === OF_RECORD.pools && cycleCount(index) === OF_RECORD.cycles

const figures: Figure[] = [
  figure('index of all cycles, median', 'ms', quantile(indexRuns, 0.5), {
    bar: { atMost: 1_500 },
    reference: { what: 'pool-by-pool BigInt evaluation of the same cycles', value: bigMs },
  }),
  figure('evaluation of all cycles, median', 'ms', fullMs, {
    bar: { atMost: 100 },
    reference: { what: 'pool-by-pool BigInt evaluation of the same cycles', value: bigMs },
  }),
  ...touched(),
  ...(await greedy()),
]

process.stdout.write(
  stringify({
    snapshot: { file: process.argv[2], pools: pools.length, tokens: index.tokens, cycles: cycleCount(index), ofRecord },
    runsMs: { index: indexRuns.map(rounded), evaluation: fullRuns.map(rounded) },
    figures,
  }),
)

/**
 * Every pool in turn gets a new state, in several rounds; a pool's time is the median of its own, so that a pause of the
 * machine is not taken for the pool's. The longest single one is told beside.
 */
function touched(): Figure[] {
  const onCycles = [...pools.keys()].filter((place) => index.poolOffsets[place] !== index.poolOffsets[place + 1])
  const times = new Map(onCycles.map((place) => [place, [] as number[]]))
  for (let round = 0; round < TOUCHES; round++) {
    for (const place of onCycles) {
      const [ms] = timed(1, () => {
        estimates.setPool(place, { ...(pools[place] as V2Pool) })
        estimates.update()
      }) as [number]
      times.get(place)?.push(ms)
    }
  }
  const medians = [...times.values()].map((each) => quantile(each, 0.5))
  const reference = { what: 'evaluation of all cycles', value: fullMs }
  return [
    figure('one touched pool, p50', 'ms', quantile(medians, 0.5), { bar: { atMost: 0.1 }, reference }),
    figure('one touched pool, p99', 'ms', quantile(medians, 0.99), { reference }),
    figure('one touched pool, worst pool', 'ms', quantile(medians, 1), { bar: { atMost: 1 }, reference }),
    figure(
      'one touched pool, longest single time (pauses of the process included)',
      'ms',
      quantile([...times.values()].flat(), 1),
      {
        reference,
      },
    ),
  ]
}

async function greedy(): Promise<Figure[]> {
  const floor = raw(10n ** 13n)
  const { trades, scanMs } = await scanPools({ pools, base: WETH, maxHops: 4, minProfitRaw: floor, greedy: true })
  const wrong = inexact(trades)
  const eth = Number(trades.reduce((sum, { profitRaw }) => sum + profitRaw, 0n) / 10n ** 9n) / 1e9
  const bound = { bar: { atLeast: 99.4 }, reference: { what: 'certified joint optimum, percent', value: 100 } }
  return [
    figure('profit that scan --greedy --min-profit 1e13 takes', 'ETH', eth),
    ...(ofRecord ? [figure('the same, of the certified joint optimum', '%', (100 * eth) / BOUND_ETH, bound)] : []),
    figure('its trades', 'trades', trades.length),
    figure('its trades that a replay in whole numbers does not confirm to the wei', 'trades', wrong, {
      bar: { atMost: 0 },
    }),
    figure('scan --greedy', 'ms', scanMs, { reference: { what: 'evaluation of all cycles', value: fullMs } }),
  ]
}

/** Replays the trades one after another by the pair's own formula. */
function inexact(trades: readonly Sized[]): number {
  const states = new Map(pools.map((pool) => [pool.address, { ...pool }]))
  let wrong = 0
  for (const { hops, sizeRaw, profitRaw } of trades) {
    let amount: bigint = sizeRaw
    for (const { pool: id, zeroForOne, amountIn, amountOut: promised } of hops) {
      const pool = states.get(id) as V2Pool
      const out = amountOut({ pool, zeroForOne }, amount)
      if (amountIn !== amount || promised !== out) wrong += 1
      const [into, from] = zeroForOne ? (['reserve0', 'reserve1'] as const) : (['reserve1', 'reserve0'] as const)
      pool[into] = raw(pool[into] + amount)
      pool[from] = raw(pool[from] - out)
      amount = out
    }
    if (amount - sizeRaw !== profitRaw) wrong += 1
  }
  return wrong
}

function everyCycleInWholeNumbers({ edges, offsets }: CycleIndex): bigint {
  let sum = 0n
  for (let cycle = 0; cycle + 1 < offsets.length; cycle++) {
    const legs: Leg[] = []
    for (let at = offsets[cycle] as number; at < (offsets[cycle + 1] as number); at++) {
      const edge = edges[at] as number
      legs.push({ pool: pools[edge >> 1] as PoolState as V2Pool, zeroForOne: (edge & 1) === 0 })
    }
    sum += bestProfit(legs)
  }
  return sum
}
