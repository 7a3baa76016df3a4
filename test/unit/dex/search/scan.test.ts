import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quoteExactIn } from '../../../../agent/dex/pools/quote.ts'
import { CycleQueue } from '../../../../agent/dex/search/cycle-queue.ts'
import { type ScanQuestion, scanPools } from '../../../../agent/dex/search/scan.ts'
import { bestSize, requote, type Sized } from '../../../../agent/dex/search/size.ts'
import type { PoolState } from '../../../../src/protocol/trade.ts'
import { raw } from '../../../../src/protocol/units.ts'
import { v2Pool } from '../../../fixtures/dex/pools.ts'
import { anyMarket, cyclesOf, DAI, E18, OWN, statesOf, USDC, WETH } from '../../../fixtures/dex/search.ts'

const scan = (pools: readonly PoolState[], change: Partial<ScanQuestion> = {}) =>
  scanPools({ pools, base: WETH, maxHops: 4, minProfitRaw: raw(1n), greedy: false, ...change })

const profitsOf = (trades: readonly Sized[]): bigint[] => trades.map(({ profitRaw }) => profitRaw)
const falling = (profits: readonly bigint[]): bigint[] => [...profits].sort((a, b) => (a < b ? 1 : a > b ? -1 : 0))

test('every cycle that earns the floor is there, the richest first, each with the amounts of its own best size', async () => {
  await fc.assert(
    fc.asyncProperty(anyMarket(4, 7), fc.constantFrom(1n, 10n ** 15n, 10n ** 18n), async (pools, floor) => {
      const { trades } = await scan(pools, { minProfitRaw: raw(floor) })
      const all = cyclesOf(pools, [WETH]).flatMap(
        (cycle) => bestSize(cycle, statesOf(pools), { lender: OWN, maxRaw: raw(2n ** 128n - 1n) }) ?? [],
      )
      expect(profitsOf(trades)).toEqual(falling(profitsOf(all)).filter((profit) => profit >= floor))
      for (const trade of trades) expect(trade.hops).toEqual(requote(trade.hops, statesOf(pools), trade.sizeRaw))
    }),
    { numRuns: 50 },
  )
})

test('greedy takes the best that there is on the state that the last trade left, until nothing reaches the floor', async () => {
  await fc.assert(
    fc.asyncProperty(anyMarket(4, 7), async (start) => {
      const floor = raw(10n ** 15n)
      const { trades } = await scan(start, { greedy: true, minProfitRaw: floor })
      let pools = start
      for (const trade of trades) {
        expect(trade.profitRaw).toBe((await bestNow(pools))?.profitRaw)
        expect(trade.hops).toEqual(requote(trade.hops, statesOf(pools), trade.sizeRaw))
        pools = pools.map((pool) => movedBy(pool, trade))
      }
      expect((await bestNow(pools))?.profitRaw ?? 0n).toBeLessThan(floor)
    }),
    { numRuns: 30 },
  )
})

const bestNow = async (pools: readonly PoolState[]): Promise<Sized | undefined> => (await scan(pools)).trades[0]

function movedBy(pool: PoolState, { hops }: Sized): PoolState {
  const hop = hops.find((each) => each.pool === pool.address)
  return hop ? quoteExactIn(pool, hop).after : pool
}

test('a scan counts its cycles, takes no more hops than it may, and ends when it is told to', async () => {
  const pools = [
    v2Pool(1_000n * E18, 1_000n * E18, 1, [WETH, DAI]),
    v2Pool(1_000n * E18, 1_100n * E18, 2, [DAI, USDC]),
    v2Pool(1_000n * E18, 1_000n * E18, 3, [WETH, USDC]),
  ]
  expect(await scan(pools)).toMatchObject({ cycles: 2, trades: [{ hops: [{}, {}, {}] }] })
  expect(await scan(pools, { maxHops: 2 })).toMatchObject({ cycles: 0, trades: [] })
  const many = Array.from({ length: 40 }, (_, at) => v2Pool(E18, BigInt(100 + at) * E18, at + 1, [WETH, DAI]))
  const breathe = () => Promise.reject(new Error('enough'))
  await expect(scan(many, { breathe })).rejects.toThrow('enough')
  await expect(scan(many, { breathe, greedy: true })).rejects.toThrow('enough')
})

test('a queue of cycles gives them back by value', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (values) => {
      const queue = new CycleQueue()
      for (const [cycle, value] of values.entries()) queue.push({ value, cycle, version: 1 })
      const taken = values.map(() => queue.pop()?.value)
      expect(taken).toEqual([...values].sort((a, b) => b - a))
      expect(queue.pop()).toBeUndefined()
    }),
  )
})
