import { afterAll, beforeAll, expect, test } from 'vitest'
import { refOf } from '../../../../agent/dex/state/journal.ts'
import { Members } from '../../../../agent/dex/state/members.ts'
import type { PoolInfo } from '../../../../src/protocol/chain.ts'
import { type Bench, startBench, TESTER } from '../../../fixtures/dex/bench.ts'
import { addr } from '../../../fixtures/trade.ts'

let bench: Bench
let pool: PoolInfo
beforeAll(async () => {
  bench = await startBench()
  pool = await bench.pair(await bench.token(18), await bench.token(18))
  await bench.mine([TESTER.encodeFunctionData('fillPair', [pool.address, 1_000n, 1_000n])])
})
afterAll(() => bench?.stop())

const loaded = async (members: Members) =>
  (await members.load(refOf(await bench.head()))).map((one) => one.pool.address)

test('a pool that was found at its creation and is no longer there is left out; one that was given must be there', async () => {
  const nowhere = { ...pool, address: addr(0x404) }
  const members = new Members(bench.rpc, [pool, { ...nowhere, createdBlock: 3 }])
  expect(await loaded(members)).toEqual([pool.address])
  expect(members.all()).toEqual([pool])
  expect(await loaded(new Members(bench.rpc, [{ ...pool, createdBlock: 3 }]))).toEqual([pool.address])
  await expect(loaded(new Members(bench.rpc, [pool, nowhere]))).rejects.toMatchObject({ code: 'config_invalid' })
})
