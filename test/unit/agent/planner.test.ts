import { afterEach, beforeEach, expect, test } from 'vitest'
import { floorRaw, planFor, planner } from '../../../agent/roles/planner.ts'
import { unlockPools } from '../../../agent/roles/pool-locks.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { keys, leases } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import type { Opportunity } from '../../../src/protocol/trade.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { contextOf } from '../../fixtures/agents.ts'
import { runOf } from '../../fixtures/bench.ts'
import { addr, hash, hop, INSTANCE, inspection, opportunity, WETH } from '../../fixtures/trade.ts'

let memory: SharedMemory
beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'test' })
  await head(100)
})
afterEach(() => memory.close())

const head = (number: number) =>
  memory.write(keys.head, { chainInstance: INSTANCE, number, hash: hash(number), at: now(), pools: 2 })

const plan = (found: Opportunity, id: `planner-${number}` = 'planner-1', known = true) => {
  const chain = { chainInstance: INSTANCE, weth: WETH, sandbox: true } as ChainInfo
  const context = contextOf({ memory } as never, id, { chain: async () => chain })
  const { id: opportunityId, expiresBlock } = found
  const input = { opportunity: found, inspection: inspection(known) }
  const { signal } = new AbortController()
  return runOf(planner(), 'plan')({ input, opportunityId, attempt: 1, expiresBlock, signal }, context)
}
const holder = async (pool: `0x${string}`) => {
  const lease = await memory.lease(leases.pool(INSTANCE, pool), 'somebody else', 1_000)
  await lease?.release()
  return lease === undefined ? 'locked' : 'free'
}

test('a plan locks every pool of its route until the trade ends', async () => {
  const found = opportunity()
  expect(await plan(found)).toEqual({ outcome: 'ok', output: planFor(found) })
  expect([await holder(addr(1)), await holder(addr(2))]).toEqual(['locked', 'locked'])
  await unlockPools(memory, found.id, found)
  expect([await holder(addr(1)), await holder(addr(2))]).toEqual(['free', 'free'])
})

test('an opportunity that shares a pool with a live plan is refused, and keeps none of the pools it took', async () => {
  await plan(opportunity({ hops: [hop(2, true), hop(3, false)] }))
  const late = opportunity({ id: hash(2), hops: [hop(1, true), hop(2, false)] })
  expect(await plan(late)).toMatchObject({ outcome: 'refused', reason: expect.stringContaining(addr(2)) })
  expect([await holder(addr(1)), await holder(addr(3))]).toEqual(['free', 'locked'])
})

test('delivered again, to another planner too, an opportunity has the same answer', async () => {
  const first = await plan(opportunity())
  expect(await plan(opportunity(), 'planner-2')).toEqual(first)
  const late = opportunity({ id: hash(2) })
  const refused = await plan(late)
  await unlockPools(memory, opportunity().id, opportunity())
  expect(await plan(late, 'planner-2')).toEqual({ outcome: 'refused', reason: refused.reason })
})

test('unknown code, another token than the wrapped native one, and a profit that gas eats are refused in words', async () => {
  expect(await plan(opportunity(), 'planner-1', false)).toMatchObject({ reason: expect.stringMatching(/unknown code/) })
  const foreign = opportunity({ id: hash(2), token: addr(0xc) })
  expect(await plan(foreign)).toMatchObject({ reason: expect.stringMatching(/not the wrapped native token/) })
  const poor = opportunity({ id: hash(3), gasWei: wei(2n * 10n ** 16n) })
  expect(await plan(poor)).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/below the floor/) })
})

test('past expiresBlock nothing is claimed or locked', async () => {
  await head(109)
  expect(await plan(opportunity())).toMatchObject({ outcome: 'expired' })
  expect(await memory.read(keys.claim(opportunity().id))).toBeUndefined()
  expect(await holder(addr(1))).toBe('free')
})

test('the floor is the gas and a tenth of what is left above it', () => {
  expect(floorRaw(raw(1_100n), 100n)).toBe(200n)
  expect(floorRaw(raw(50n), 100n)).toBe(100n)
})
