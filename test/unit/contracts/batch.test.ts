import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeExecuted, encodeExecute, withFloor } from '../../../agent/dex/trade/build.ts'
import type { Address } from '../../../src/protocol/units.ts'
import { raw } from '../../../src/protocol/units.ts'
import { ROUTES } from '../../fixtures/arena.ts'
import { Besieged, failed, OURS } from '../../fixtures/besieged.ts'
import { compileFixture } from '../../fixtures/solidity.ts'

const face = compileFixture('Batch').face
let besieged: Besieged
let batch: Address
beforeAll(async () => {
  besieged = await Besieged.start('test-batch')
  batch = await besieged.deploy('Batch')
  const { owner } = besieged.world
  await besieged.world.send(owner, besieged.at, OURS.encodeFunctionData('setExecutor', [batch, true]))
})
afterAll(() => besieged?.stop())

const run = (calls: readonly string[]) =>
  besieged.world.send(besieged.world.stranger, batch, face.encodeFunctionData('run', [besieged.at, calls]), {
    gas: '0x4c4b40',
  })

test('two trades in one transaction know nothing of each other', async () => {
  const { arena } = besieged
  const [one, other] = [arena.route(ROUTES['v2 v2'] as string), arena.route(ROUTES['v3 v3'] as string)]
  await arena.push(one, 5)
  await arena.push(other, 5)
  const borrowed = await arena.plan(one, arena.lender('aave_v3', one))
  const free = await arena.plan(other, arena.lender('first', other))
  const receipt = await run([encodeExecute(borrowed, 1_000_000), encodeExecute(free, 1_000_000)])
  expect(receipt.status).toBe('0x1')
  const done = receipt.logs.flatMap((log) => decodeExecuted([log], besieged.at) ?? [])
  expect(done.map(({ opportunityId, premiumRaw, profitRaw }) => [opportunityId, premiumRaw, profitRaw])).toEqual([
    [borrowed.opportunityId, 5n * 10n ** 14n, borrowed.expectedProfitRaw],
    [free.opportunityId, 0n, free.expectedProfitRaw],
  ])
  await besieged.expectUnharmed()
})

test('where the second of two fails, the first has not happened either', async () => {
  const { arena } = besieged
  const hops = arena.route(ROUTES['v2 v4'] as string)
  await arena.push(hops, 5)
  const plan = await arena.plan(hops, arena.lender('first', hops))
  const first = encodeExecute(plan, 1_000_000)
  const before = await arena.balance(besieged.world.owner)
  const data = face.encodeFunctionData('run', [besieged.at, [first, withFloor(first, raw(1n))]])
  expect(await besieged.attempt(besieged.world.stranger, data, batch)).toEqual(
    failed(`AlreadyExecuted: opportunityId ${plan.opportunityId}`),
  )
  expect(await arena.balance(besieged.world.owner)).toBe(before)
})
