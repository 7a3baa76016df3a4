import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { History } from '../../src/ports/history/history.ts'
import { hashOf, taskRecord, timeOf, tradeRecord } from '../fixtures/records.ts'

/** Two clients of one database (PGlite: one instance, twice), and how to be rid of them. */
export interface HistoryUnderTest {
  a: History
  b: History
  close(): Promise<void>
}

/** What every History promises. */
export function testHistory(name: string, open: () => Promise<HistoryUnderTest>): void {
  describe(`history: ${name}`, () => {
    let history: HistoryUnderTest
    let a: History
    let b: History
    beforeAll(async () => {
      history = await open()
      ;({ a, b } = history)
    })
    afterAll(() => history?.close())

    test('a record comes back as it was appended, bigints as bigint', async () => {
      await a.append([tradeRecord(1)])
      expect(await b.read({ kind: 'trade' })).toEqual([tradeRecord(1)])
    })

    test('appending an id again changes nothing, alone, in one batch, or from many at once', async () => {
      const first = taskRecord(2, 1)
      const again = { ...first, body: { ...first.body, agent: 'planner-2' } }
      await a.append([first, again])
      await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? a : b).append([again, taskRecord(2, 2)])))
      expect(await b.read({ kind: 'task', idPrefix: hashOf(2) })).toEqual([first, taskRecord(2, 2)])
    })

    test('the same id of another kind is another record', async () => {
      await a.append([
        { ...taskRecord(3, 1), id: 'same' },
        { ...tradeRecord(3), id: 'same' },
      ])
      expect(await a.read({ kind: 'task', idPrefix: 'same' })).toHaveLength(1)
      expect(await a.read({ kind: 'trade', idPrefix: 'same' })).toHaveLength(1)
    })

    test('the newest of the limit come, newest last, by their own time', async () => {
      await a.append([5, 3, 9, 1, 7].map((n) => taskRecord(4, n)))
      const read = await b.read({ kind: 'task', idPrefix: hashOf(4), limit: 3 })
      expect(read).toEqual([5, 7, 9].map((n) => taskRecord(4, n)))
      expect(await b.read({ kind: 'task', idPrefix: hashOf(4), limit: 0 })).toEqual([])
    })

    test('records of the same time keep the order of appending', async () => {
      for (const n of [3, 1, 2]) await a.append([taskRecord(5, n, 0)])
      expect(await b.read({ kind: 'task', idPrefix: hashOf(5) })).toEqual([3, 1, 2].map((n) => taskRecord(5, n, 0)))
    })

    test('since gives what is at or after', async () => {
      await a.append([1, 2, 3].map((n) => taskRecord(6, n)))
      const read = await a.read({ kind: 'task', idPrefix: hashOf(6), since: timeOf(2) })
      expect(read).toEqual([2, 3].map((n) => taskRecord(6, n)))
    })

    test('until gives what is at or before, and with since what is between', async () => {
      await a.append([1, 2, 3, 4].map((n) => taskRecord(10, n)))
      const query = { kind: 'task', idPrefix: hashOf(10) } as const
      const [two, three] = [taskRecord(10, 2), taskRecord(10, 3)]
      expect(await a.read({ ...query, until: timeOf(3), limit: 2 })).toEqual([two, three])
      expect(await b.read({ ...query, since: timeOf(2), until: timeOf(3) })).toEqual([two, three])
    })

    test('a prefix is taken literally', async () => {
      await a.append([{ ...taskRecord(7, 1), id: 'pre_fix%1' }])
      expect(await a.read({ kind: 'task', idPrefix: 'pre_fix%' })).toHaveLength(1)
      expect(await a.read({ kind: 'task', idPrefix: 'pre%fix' })).toEqual([])
      expect(await a.read({ kind: 'task', idPrefix: "'; DROP TABLE records; --" })).toEqual([])
    })

    test('text that a database refuses is kept, with what it refuses replaced', async () => {
      const record = taskRecord(8, 1)
      await a.append([{ ...record, body: { ...record.body, reason: 'nul \0 half \ud83d back\\u0000slash 😀' } }])
      const [read] = await a.read({ kind: 'task', idPrefix: hashOf(8) })
      expect(read?.body.reason).toBe('nul \ufffd half \ufffd back\\u0000slash 😀')
    })

    test('a malformed record is refused whole, and nothing of its batch is kept', async () => {
      const bad = { ...taskRecord(9, 2), at: 'yesterday' }
      await expect(a.append([taskRecord(9, 1), bad])).rejects.toMatchObject({ code: 'malformed' })
      expect(await a.read({ kind: 'task', idPrefix: hashOf(9) })).toEqual([])
    })

    test('appending nothing is fine', async () => {
      await a.append([])
    })
  })
}
