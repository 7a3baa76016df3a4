import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  book,
  booked,
  dayOf,
  emptyAccount,
  entryOf,
  failuresInARow,
  lossOf,
  readAccountOf,
} from '../../../agent/roles/sending/account.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import type { Execution } from '../../../src/protocol/trade.ts'
import { wei } from '../../../src/protocol/units.ts'
import { execution, hash } from '../../fixtures/trade.ts'

const outcome = fc.record({
  status: fc.constantFrom('executed' as const, 'reverted' as const, 'missed' as const),
  gasWei: fc.nat(1_000).map((n) => wei(BigInt(n))),
  profitWei: fc.nat(1_000).map((n) => wei(BigInt(n))),
  day: fc.constantFrom(1, 2),
})
const executionOf = (n: number, o: { day: number } & Partial<Execution>): Execution => {
  const { day, ...rest } = o
  return execution({ opportunityId: hash(n), at: `2026-01-0${day}T00:00:00.000Z`, ...rest })
}

test('sums and the row of failures are those of all executions, however many were folded into sums', () => {
  fc.assert(
    fc.property(fc.array(outcome, { minLength: 240, maxLength: 300 }), (outcomes) => {
      const sorted = outcomes.toSorted((a, b) => a.day - b.day).map((o, n) => executionOf(n, o))
      const account = sorted.reduce((so, each) => booked(so, entryOf(each, null)), emptyAccount())
      const last = dayOf(sorted.at(-1)?.at ?? '')
      const loss = sorted
        .filter(({ at }) => dayOf(at) === last)
        .reduce((sum, e) => sum + (e.status === 'executed' ? e.gasWei - e.profitWei : e.gasWei), 0n)
      expect(lossOf(account, last)).toBe(loss > 0n ? loss : 0n)
      const said = sorted.filter(({ status }) => status !== 'missed').map(({ status }) => status)
      expect(failuresInARow(account, null)).toBe(said.length - 1 - said.lastIndexOf('executed'))
      expect(account.entries.length).toBeLessThanOrEqual(256)
    }),
    { numRuns: 20 },
  )
})

test('a correction takes the place of what it corrects', () => {
  const first = booked(emptyAccount(), entryOf(executionOf(1, { day: 1, gasWei: wei(5n), profitWei: wei(9n) }), null))
  const after = booked(first, entryOf(executionOf(1, { day: 2, status: 'reverted', gasWei: wei(7n) }), 'later'))
  expect(after.entries).toHaveLength(1)
  expect(lossOf(after, '2026-01-01')).toBe(7n)
  expect(failuresInARow(after, null)).toBe(1)
})

test('what was booked is there for whoever holds the key next, once', async () => {
  const memory = await openMemory('embedded:', { fleet: 'test-account' })
  const entry = entryOf(executionOf(1, { day: 1, status: 'reverted', gasWei: wei(7n) }), null)
  await Promise.all([book(memory, 'account/1/a', entry), book(memory, 'account/1/a', entry)])
  expect(lossOf(await readAccountOf(memory, 'account/1/a'), '2026-01-01')).toBe(7n)
  await memory.close()
})
