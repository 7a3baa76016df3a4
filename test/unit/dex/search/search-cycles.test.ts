import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findCycles } from '../../../../agent/dex/search/cycles.ts'
import { FleetError } from '../../../../src/protocol/errors.ts'
import type { PoolState } from '../../../../src/protocol/trade.ts'
import type { Address } from '../../../../src/protocol/units.ts'
import { addr, infoOf, v2Pool, v3Pool, v4Pool } from '../../../fixtures/dex/pools.ts'
import { cyclesOf, DAI, E18, USDC, WETH } from '../../../fixtures/dex/search.ts'

interface Path {
  steps: readonly { pool: number; zeroForOne: boolean }[]
  tokens: readonly Address[]
}

/** Every sequence of different pools that leads from a base back to it, by trying them all. */
function byBruteForce(pools: readonly PoolState[], bases: readonly Address[], maxHops: number): string[] {
  const cycles = bases.flatMap((base) => {
    let paths: Path[] = [{ steps: [], tokens: [base] }]
    const closed: Path[] = []
    for (let hop = 1; hop <= maxHops; hop++) {
      const longer = paths.flatMap((path) => steppedOn(path, pools))
      closed.push(...longer.filter(({ tokens }) => tokens.at(-1) === base))
      paths = longer.filter(({ tokens }) => new Set(tokens).size === tokens.length)
    }
    // One that holds several bases counts at the first of them.
    return closed.filter(({ tokens }) => bases.find((each) => tokens.includes(each)) === base)
  })
  return cycles.map(({ steps }) => steps.map(({ pool, zeroForOne }) => `${pool}:${zeroForOne}`).join(' ')).sort()
}

const steppedOn = ({ steps, tokens }: Path, pools: readonly PoolState[]): Path[] =>
  pools.flatMap(({ token0, token1 }, pool) => {
    const zeroForOne = token0 === tokens.at(-1)
    if ((!zeroForOne && token1 !== tokens.at(-1)) || steps.some((step) => step.pool === pool)) return []
    return [{ steps: [...steps, { pool, zeroForOne }], tokens: [...tokens, zeroForOne ? token1 : token0] }]
  })

const graph = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 }))
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => [addr(0xa + a), addr(0xa + b)]),
  { maxLength: 14 },
)

test('every cycle of two to four hops through each base token is found once, and nothing else', () => {
  fc.assert(
    fc.property(
      graph,
      fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 2, max: 4 }),
      (pairs, wanted, maxHops) => {
        const pools = pairs.map((tokens, at) => v2Pool(E18, E18, at + 1, tokens))
        const bases = wanted.map((at) => addr(0xa + at))
        const routes = cyclesOf(pools, bases, maxHops).map((cycle) => {
          for (const [at, hop] of cycle.entries())
            expect(hop.tokenIn).toBe((at === 0 ? cycle.at(-1) : cycle[at - 1])?.tokenOut)
          return cycle.map((hop) => `${Number(hop.pool) - 1}:${hop.zeroForOne}`).join(' ')
        })
        expect(routes.sort()).toEqual(byBruteForce(pools, bases, maxHops))
      },
    ),
    { numRuns: 300 },
  )
})

test('a cycle through two bases begins at the first of them', () => {
  const pools = [v2Pool(E18, E18, 1, [WETH, USDC]), v2Pool(E18, E18, 2, [USDC, DAI]), v2Pool(E18, E18, 3, [DAI, WETH])]
  expect(cyclesOf(pools, [USDC, WETH]).map((cycle) => cycle[0]?.tokenIn)).toEqual([USDC, USDC])
  expect(cyclesOf(pools, [DAI, USDC, WETH, DAI])).toHaveLength(2)
})

test('a hop says all that its pool wants: of a V4 pool also manager and tick spacing', () => {
  const pools = [v3Pool(0, [], { at: 1, tokens: [WETH, DAI] }), v4Pool(v3Pool(0, [], { at: 2, tokens: [WETH, DAI] }))]
  const [cycle] = findCycles(pools.map(infoOf), WETH)
  const base = { feePips: 3000, tokenIn: WETH, tokenOut: DAI, zeroForOne: true }
  expect(cycle?.[0]).toEqual({ ...base, pool: addr(1), kind: 'v3', dex: 'uniswap_v3' })
  const key = { manager: addr(0x4444), tickSpacing: 60 }
  const back = { ...base, tokenIn: DAI, tokenOut: WETH, zeroForOne: false }
  expect(cycle?.[1]).toEqual({ ...back, pool: pools[1]?.address, kind: 'v4', dex: 'uniswap_v4', v4: key })
})

test('a market with more cycles than a process should hold is refused, with what to do', () => {
  // Ninety tokens, all with each other twice: far above the limit at four hops, not at two.
  const pools: PoolState[] = []
  for (let a = 0; a < 90; a++)
    for (let b = a + 1; b < 90; b++)
      for (let twice = 0; twice < 2; twice++)
        pools.push(v2Pool(E18, E18, pools.length + 1, [addr(0xa + a), addr(0xa + b)]))
  expect(() => cyclesOf(pools, [WETH], 4)).toThrow(FleetError)
  expect(cyclesOf(pools, [WETH], 2)).toHaveLength(89 * 2)
})
