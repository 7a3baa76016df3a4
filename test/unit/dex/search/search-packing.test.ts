import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bestDisjoint, type Candidate } from '../../../../agent/dex/search/packing.ts'
import { improvedGreedy } from '../../../../agent/dex/search/packing-greedy.ts'

const worth = (candidates: readonly Candidate[], chosen: readonly number[]): number =>
  chosen.reduce((sum, at) => sum + (candidates[at]?.value ?? Number.NaN), 0)

function areDisjoint(candidates: readonly Candidate[], chosen: readonly number[]): boolean {
  const used = chosen.flatMap((at) => candidates[at]?.resources ?? [])
  return new Set(used).size === used.length
}

/** Every subset there is. */
function byBruteForce(candidates: readonly Candidate[]): number {
  let best = 0
  for (let bits = 0; bits < 1 << candidates.length; bits++) {
    const chosen = [...candidates.keys()].filter((at) => bits & (1 << at))
    if (areDisjoint(candidates, chosen)) best = Math.max(best, worth(candidates, chosen))
  }
  return best
}

function byGreed(candidates: readonly Candidate[]): number {
  const used = new Set<number>()
  let sum = 0
  for (const { value, resources } of [...candidates].sort((a, b) => b.value - a.value)) {
    if (resources.some((resource) => used.has(resource))) continue
    for (const resource of resources) used.add(resource)
    sum += value
  }
  return sum
}

const candidatesOf = (most: number, pools: number) =>
  fc.array(
    fc.record({
      value: fc.integer({ min: 1, max: 1_000 }),
      resources: fc.uniqueArray(fc.integer({ min: 0, max: pools - 1 }), { minLength: 1, maxLength: 4 }),
    }),
    { maxLength: most },
  )

test('the chosen set is disjoint and worth as much as the best of all subsets', () => {
  fc.assert(
    fc.property(candidatesOf(11, 12), (candidates) => {
      const chosen = bestDisjoint(candidates)
      expect(areDisjoint(candidates, chosen)).toBe(true)
      expect(worth(candidates, chosen)).toBe(byBruteForce(candidates))
    }),
    { numRuns: 200 },
  )
})

test('two trades that one richer trade would exclude are taken together, where greed takes the one', () => {
  const candidates = [
    { value: 10, resources: [1, 2] },
    { value: 7, resources: [1, 3] },
    { value: 6, resources: [2, 4] },
  ]
  expect(byGreed(candidates)).toBe(10)
  expect(bestDisjoint(candidates)).toEqual([1, 2])
})

test('among hundreds that hang together the set is disjoint, complete, and never worth less than greed makes of it', () => {
  fc.assert(
    fc.property(candidatesOf(300, 60), (candidates) => {
      const chosen = bestDisjoint(candidates)
      expect(areDisjoint(candidates, chosen)).toBe(true)
      expect(worth(candidates, chosen)).toBeGreaterThanOrEqual(byGreed(candidates))
      const used = new Set(chosen.flatMap((at) => candidates[at]?.resources ?? []))
      for (const { resources } of candidates) expect(resources.some((resource) => used.has(resource))).toBe(true)
    }),
    { numRuns: 50 },
  )
})

test('exchanges come within a few percent of the best where that can be known', () => {
  let [best, improved] = [0, 0]
  fc.assert(
    fc.property(candidatesOf(14, 12), (candidates) => {
      best += byBruteForce(candidates)
      improved += worth(candidates, improvedGreedy(candidates))
    }),
    { numRuns: 100, seed: 7 },
  )
  expect(improved / best).toBeGreaterThan(0.97)
})

test('thousands through one pool are chosen from in less than half a second', () => {
  const candidates = Array.from({ length: 5_000 }, (_, at) => ({
    value: 1 + ((at * 7919) % 1_000),
    resources: [at % 3, 10 + (at % 400), 500 + ((at * 31) % 900)],
  }))
  const began = performance.now()
  const chosen = bestDisjoint(candidates)
  expect(performance.now() - began).toBeLessThan(500)
  expect(areDisjoint(candidates, chosen)).toBe(true)
})
