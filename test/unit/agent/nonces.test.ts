import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  closed,
  emptyOutbox,
  holdsUp,
  type Outbox,
  placed,
  released,
  resynced,
} from '../../../agent/roles/sending/nonces.ts'
import { addr, hash } from '../../fixtures/trade.ts'

const EMPTY = emptyOutbox({ chainInstance: 'test', address: addr(1), fence: 1 })
const trade = (n: number) => ({ opportunityId: hash(n), attempt: 1, deadlineBlock: 10 })
const slot = (n: number, nonce: number) => ({ opportunityId: hash(n), attempt: 1, nonce })
const counts = (latest: number, pending = latest) => ({ latest, pending })
const boxOf = (first: number, trades: number): Outbox =>
  Array.from({ length: trades }, (_, at) => at).reduce(
    (box, at) => placed(box, trade(at)).box,
    resynced(EMPTY, counts(first)),
  )

test('nonces are given out one after another, whatever the node counts meanwhile', () => {
  const box = boxOf(7, 3)
  expect(box.slots.map(({ nonce }) => nonce)).toEqual([7, 8, 9])
  expect(resynced(box, counts(7)).next).toBe(10)
  expect(resynced(box, counts(8, 9)).next).toBe(10)
})

test('what waits in the pool unknown to us is gone behind', () => {
  expect(resynced(boxOf(7, 1), counts(7, 12)).next).toBe(12)
})

test('the last nonce is free as soon as it is released, one in between when what is behind it is', () => {
  const box = boxOf(7, 2)
  const gap = released(box, slot(0, 7))
  expect(gap.next).toBe(9)
  expect(holdsUp(box, { nonce: 7 })).toBe(true)
  const both = released(released(box, slot(1, 8)), slot(0, 7))
  expect(both.next).toBe(7)
  expect(holdsUp(both, { nonce: 7 })).toBe(false)
})

test('after a reorg that took all back, the first of them is the next; what is final is never given out again', () => {
  const freed = released(released(boxOf(7, 2), slot(1, 8)), slot(0, 7))
  expect(resynced(freed, counts(7)).next).toBe(7)
  const final = closed(boxOf(7, 2), slot(0, 7), true)
  expect(final.floor).toBe(8)
  expect(resynced(released(final, slot(1, 8)), counts(3)).next).toBe(8)
})

type Event = 'place' | { kind: 'release' | 'final'; at: number } | { kind: 'count'; latest: number; pending: number }

/** The box after an event, and the nonce that became final or was given out by it. */
function after(box: Outbox, event: Event, trades: number): { box: Outbox; final?: number; given?: number } {
  if (event === 'place') {
    const next = placed(box, trade(trades))
    return { box: next.box, given: next.nonce }
  }
  if (event.kind === 'count') return { box: resynced(box, event) }
  const one = box.slots[event.at]
  if (!one) return { box }
  if (event.kind === 'release') return { box: resynced(released(box, one), counts(0)) }
  return { box: resynced(closed(box, one, true), counts(one.nonce + 1)), final: one.nonce }
}

test('no nonce that waits or is final is given out again, in any order of events', () => {
  const event = fc.oneof(
    fc.constant('place' as const),
    fc.record({ kind: fc.constantFrom('release' as const, 'final' as const), at: fc.nat(5) }),
    fc.record({ kind: fc.constant('count' as const), latest: fc.nat(6), pending: fc.nat(8) }),
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let box = EMPTY
      const final = new Set<number>()
      for (const [at, each] of events.entries()) {
        const waits = box.slots.filter((one) => !one.released).map(({ nonce }) => nonce)
        const next = after(box, each, at)
        if (next.final !== undefined) final.add(next.final)
        if (next.given !== undefined) expect([...waits, ...final]).not.toContain(next.given)
        box = next.box
      }
    }),
  )
})
