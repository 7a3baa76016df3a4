import { expect, test } from 'vitest'
import { indexCycles } from '../../../../agent/dex/search/cycle-index.ts'
import { Shortlist } from '../../../../agent/dex/search/shortlist.ts'
import { infoOf, v2Pool } from '../../../fixtures/dex/pools.ts'
import { DAI, E18, search, WETH } from '../../../fixtures/dex/search.ts'

/** One pair against fifty others: a hundred cycles, all through the one. */
const pools = Array.from({ length: 51 }, (_, at) => v2Pool(E18, E18, at + 1, [WETH, DAI]))
const index = indexCycles({ pools: pools.map(infoOf), bases: [WETH], maxHops: 2 })
const throughFirst = index.cyclesOfPool.slice(index.poolOffsets[0], index.poolOffsets[1])

function lookedAt(looks: (cycle: number) => boolean = () => true): number[] {
  const list = new Shortlist(index)
  list.add(0, 5) // of a block before
  list.clear()
  for (const cycle of throughFirst) list.add(cycle, cycle + 1)
  const seen: number[] = []
  list.each((cycle) => {
    seen.push(cycle)
    return looks(cycle)
  })
  return seen
}

test('the best are looked at first, and of those through one pool no more than could be chosen from exactly', () => {
  const best = [...throughFirst].sort((a, b) => b - a)
  expect(lookedAt()).toEqual(best.slice(0, 32))
  expect(lookedAt()).toHaveLength(32)
})

test('one that does not count after all leaves its place to the next', () => {
  expect(lookedAt(() => false)).toHaveLength(throughFirst.length)
})

test('what is worth nothing is left out', () => {
  const list = new Shortlist(index)
  for (const worth of [0, -1, Number.NaN]) list.add(3, worth)
  list.each(() => expect.unreachable())
})

test('in a crowd about one pool the best trade is still the one that is chosen', () => {
  const cheap = v2Pool(1_000n * E18, 1_100n * E18, 1, [WETH, DAI])
  const others = Array.from({ length: 60 }, (_, at) =>
    v2Pool(500n * E18, ((500_000n + BigInt(at)) * E18) / 1_000n, at + 2, [WETH, DAI]),
  )
  const found = search([cheap, ...others])
  const alone = others.map((other) => search([cheap, other])[0]?.profitWei ?? 0n)
  expect(found[0]?.profitWei).toBe(alone.reduce((best, each) => (best > each ? best : each)))
})
