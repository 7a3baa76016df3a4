import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gasOfTrade } from '../../../agent/dex/lending/gas-of-trade.ts'
import { premiumOf } from '../../../agent/dex/lending/premium.ts'
import { decodeExecuted, decodeProfit, encodeExecute, executeGasLimit } from '../../../agent/dex/trade/build.ts'
import { Arena, type LenderName, ROUTES, SIZE } from '../../fixtures/arena.ts'
import { startMarket, type TestMarket } from '../../fixtures/market.ts'

/**
 * Every lender with every kind of pool first, in the middle and last: what our formulas say is what the owner gets, to the
 * wei, and the trade burns no more gas than gas.json says, where every slot that it writes has been written before.
 *
 * After a change of the contract or of the practice market that is meant, write gas.json anew:
 * `GAS_SNAPSHOT=write npx vitest run --config test/vitest.config.ts test/unit/contracts/paid.test.ts`
 */
const SNAPSHOT = new URL('./gas.json', import.meta.url)
const writing = process.env.GAS_SNAPSHOT === 'write'
const recorded: Readonly<Record<string, number>> = JSON.parse(readFileSync(SNAPSHOT, 'utf8'))
const measured: Record<string, number> = {}
const GROWTH = 1.01

const LENDERS: readonly LenderName[] = ['first', 'own', 'aave_v3', 'balancer_v2', 'uniswap_v3', 'uniswap_v2']
/** Each kind first, in the middle and last, for the lenders with which a route is walked in the same way. */
const SHORT_LIST = ['v2 v2', 'v2 v3', 'v3 v4', 'v4 v2', 'v2 v4 v2', 'v3 v2 v3', 'v4 v3 v4', 'v4 v4 v4', 'v2 v2 v3 v4']
const routesOf = (lender: LenderName) =>
  Object.entries(ROUTES).filter(([shape]) => lender === 'first' || SHORT_LIST.includes(shape))
const DEADLINE = 1_000_000
/** Trades are made at fixed times, so that pools write what they write once in a block. */
const STEP_SECONDS = 60
const CAPITAL = 10n ** 19n

let world: TestMarket
let arena: Arena

beforeAll(async () => {
  world = await startMarket('test-paid')
  arena = new Arena(world)
  await warmUp()
})
afterAll(async () => {
  await world?.stop()
  if (writing) writeFileSync(SNAPSHOT, `${JSON.stringify(measured, null, 2)}\n`)
})

/** Lets some time pass: what a pool sums up over time is written by its next swap. */
const pass = () => world.rpc.request('evm_increaseTime', [STEP_SECONDS])

/** Swaps in every pool in both directions and borrows from every lender: what was zero is written once, at its price. */
async function warmUp(): Promise<void> {
  const everywhere = Object.values(ROUTES).flatMap((route) => arena.route(route))
  const once = new Map(everywhere.map((hop) => [hop.pool, hop]))
  for (const percent of [1, -1, 0]) {
    await pass()
    for (const hop of once.values()) await arena.push([hop], percent)
  }
  const hops = arena.route(ROUTES['v2 v2'] as string)
  await arena.push(hops, 10)
  for (const lender of LENDERS.filter((name) => name !== 'own')) {
    await pass()
    const plan = await arena.plan(hops, arena.lender(lender, hops), { name: `warm ${lender}`, size: SIZE / 10n })
    expect((await arena.send(encodeExecute(plan, DEADLINE))).status).toBe('0x1')
  }
  await arena.push(hops, 0)
}

describe.each(LENDERS)('with %s as the lender', (lenderName) => {
  test.each(routesOf(lenderName))(
    'a trade over %s pays what was predicted and burns what was recorded',
    async (shape, route) => {
      await arena.undone(async () => {
        const hops = arena.route(route)
        const lender = arena.lender(lenderName, hops)
        const capital = lenderName === 'own' ? CAPITAL : 0n
        await arena.deal(arena.executor, arena.token('WETH'), capital)
        await arena.push(hops, 6)
        await pass()
        const plan = await arena.plan(hops, lender, { name: `${lenderName} ${shape}` })
        const data = encodeExecute(plan, DEADLINE)
        expect(decodeProfit(await arena.call(data))).toBe(plan.expectedProfitRaw)

        const before = await arena.balance(world.owner)
        const gas = executeGasLimit(hops, lender)
        const receipt = await arena.send(data, { gas: `0x${gas.toString(16)}` })

        expect(receipt.status).toBe('0x1')
        expect(decodeExecuted(receipt.logs, arena.executor)).toEqual({
          opportunityId: plan.opportunityId,
          token: plan.token,
          sizeRaw: SIZE,
          premiumRaw: premiumOf(lender, SIZE),
          tipWei: 0n,
          profitRaw: plan.expectedProfitRaw,
        })
        expect((await arena.balance(world.owner)) - before).toBe(plan.expectedProfitRaw)
        await expectNothingLeft(
          hops.map((hop) => hop.tokenIn),
          capital,
          lender.address,
        )
        judgeGas(`${lenderName} ${shape}`, Number(receipt.gasUsed), Number(gasOfTrade(hops, lender)))
      })
    },
  )
})

/** No token of the route lies in the contract, but the capital that was put there on purpose; nothing may be pulled. */
async function expectNothingLeft(
  tokens: readonly `0x${string}`[],
  capital: bigint,
  lender: `0x${string}`,
): Promise<void> {
  for (const token of tokens) {
    expect(await arena.balance(arena.executor, token)).toBe(token === arena.token('WETH') ? capital : 0n)
    expect(await arena.allowance(arena.executor, lender, token)).toBe(0n)
  }
}

function judgeGas(name: string, burnt: number, reckoned: number): void {
  measured[name] = burnt
  // What the search reckons with is not far off.
  expect(reckoned / burnt, `gasOfTrade says ${reckoned}, burnt were ${burnt}`).toBeGreaterThan(0.8)
  expect(reckoned / burnt, `gasOfTrade says ${reckoned}, burnt were ${burnt}`).toBeLessThan(1.25)
  if (writing) return
  expect(recorded[name], `gas.json has no ${name}`).toBeDefined()
  expect(burnt).toBeLessThanOrEqual((recorded[name] as number) * GROWTH)
}
