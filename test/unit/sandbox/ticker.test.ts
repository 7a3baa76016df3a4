import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { tick } from '../../../agent/sandbox/ticker.ts'

test('turns come in step with the start, never two at once, and those missed are left out', async () => {
  const abort = new AbortController()
  const start = performance.now()
  const turns: number[] = []
  let inside = 0
  await tick(100, abort.signal, async () => {
    expect(++inside).toBe(1)
    turns.push((performance.now() - start) / 100 + 0.02) // a timer may be a little early
    if (turns.length === 2) await sleep(230) // turns 3 and 4 pass meanwhile
    if (turns.length === 4) abort.abort()
    inside--
  })
  expect(turns.map(Math.floor)).toEqual([1, 2, 5, 6])
  for (const turn of turns) expect(turn % 1).toBeLessThan(0.9)
})

test('an abort ends the wait at once', async () => {
  const abort = new AbortController()
  setTimeout(() => abort.abort(), 20)
  const start = performance.now()
  await tick(60_000, abort.signal, () => Promise.resolve())
  expect(performance.now() - start).toBeLessThan(2_000)
})
