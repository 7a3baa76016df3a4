import { afterAll, beforeAll, expect, test } from 'vitest'
import { aaveRounding } from '../../../../agent/dex/lending/aave-rounding.ts'
import type { Address } from '../../../../src/protocol/units.ts'
import { startMarket, type TestMarket } from '../../../fixtures/market.ts'
import { addr } from '../../../fixtures/trade.ts'

let world: TestMarket
let weth: Address
let aave: Address
beforeAll(async () => {
  world = await startMarket('test-rounding')
  weth = world.market.weth
  aave = world.market.lenders.find(({ kind }) => kind === 'aave_v3')?.address as Address
})
afterAll(() => world?.stop())

/** Code of a pool that calls its borrower back with a premium, and passes on what that reverts with. */
const asking = (premium: string): string => `0x60${premium}60445260006000606460006000335af13d600060003e3d6000fd`

test('the pool of core-v3 1.19 is seen to round half up, by the first token that it lends, and nothing is left changed', async () => {
  expect(await aaveRounding(world.rpc, aave, 5, [world.market.desk, weth])).toBe('half_up')
  expect(await world.rpc.request('eth_getCode', ['0x00000000000000000000000000000000a6bdec05', 'latest'])).toBe('0x')
})

test('a pool that asks a whole unit for one is seen to round up', async () => {
  await world.rpc.request('anvil_setCode', [addr(0xaa7e), asking('01')])
  expect(await aaveRounding(world.rpc, addr(0xaa7e), 5, [weth])).toBe('up')
  await world.rpc.request('anvil_setCode', [addr(0xaa7e), asking('00')])
  expect(await aaveRounding(world.rpc, addr(0xaa7e), 5, [weth])).toBe('half_up')
})

test('what lends nothing, asks something else, or has no premium says nothing of it', async () => {
  expect(await aaveRounding(world.rpc, aave, 5, [world.market.desk])).toBeUndefined()
  expect(await aaveRounding(world.rpc, addr(0xdead), 5, [weth])).toBeUndefined()
  expect(await aaveRounding(world.rpc, aave, 0, [weth])).toBeUndefined()
  expect(await aaveRounding(world.rpc, aave, 5_000, [weth])).toBeUndefined()
  await world.rpc.request('anvil_setCode', [addr(0xaa7e), asking('07')])
  expect(await aaveRounding(world.rpc, addr(0xaa7e), 5, [weth])).toBeUndefined()
})
