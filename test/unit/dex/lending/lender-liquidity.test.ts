import { afterAll, beforeAll, expect, test } from 'vitest'
import { lenderLiquidity } from '../../../../agent/dex/lending/lender-liquidity.ts'
import type { Lender } from '../../../../src/protocol/trade.ts'
import type { Hex } from '../../../../src/protocol/units.ts'
import { Arena, type LenderName, ROUTES } from '../../../fixtures/arena.ts'
import { startMarket, type TestMarket } from '../../../fixtures/market.ts'
import { addr } from '../../../fixtures/trade.ts'

let world: TestMarket
let arena: Arena
beforeAll(async () => {
  world = await startMarket('test-liquidity')
  arena = new Arena(world)
})
afterAll(() => world?.stop())

const lenderNamed = (name: LenderName): Lender => arena.lender(name, arena.route(ROUTES['v2 v2'] as string))
async function liquidityOf(lender: Lender, token = arena.token('WETH')): Promise<bigint> {
  const head = await world.rpc.request<{ hash: Hex }>('eth_getBlockByNumber', ['latest', false])
  return lenderLiquidity(world.rpc, lender, token, head.hash)
}

test('Aave lends what its aToken holds, and nothing of a token that it does not know', async () => {
  expect(await liquidityOf(lenderNamed('aave_v3'))).toBe(20_000n * 10n ** 18n)
  expect(await liquidityOf(lenderNamed('aave_v3'), world.market.desk)).toBe(0n)
})

test('a vault, a pool and our own contract lend what they hold', async () => {
  await arena.deal(arena.executor, arena.token('WETH'), 123n)
  expect(await liquidityOf(lenderNamed('own'))).toBe(123n)
  for (const name of ['balancer_v2', 'uniswap_v3'] as const) {
    expect(await liquidityOf(lenderNamed(name))).toBe(await arena.balance(lenderNamed(name).address))
    expect(await liquidityOf(lenderNamed(name))).toBeGreaterThan(10n ** 18n)
  }
})

test('a pair lends all of its reserve but one, and not what was sent to it beside', async () => {
  const pair = lenderNamed('uniswap_v2')
  const held = await arena.balance(pair.address)
  expect(await liquidityOf(pair)).toBe(held - 1n)
  await arena.deal(pair.address, arena.token('WETH'), held + 10n ** 18n)
  expect(await liquidityOf(pair)).toBe(held - 1n)
})

test('a pair or pool lends none but its own tokens, and a pair must say which they are', async () => {
  for (const name of ['uniswap_v2', 'uniswap_v3'] as const) {
    expect(await liquidityOf(lenderNamed(name), arena.token('DAI'))).toBe(0n)
  }
  const { tokens: _, ...unsaid } = lenderNamed('uniswap_v2')
  await expect(liquidityOf(unsaid)).rejects.toMatchObject({ code: 'config_invalid' })
  await expect(liquidityOf({ ...unsaid, tokens: [addr(1)] })).resolves.toBe(0n)
})
