import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Bell } from '../../../src/fleet/bell.ts'

let life: AbortController
let rings: (() => void)[]

/** A source that nudges when its ring is called. */
async function* source(): AsyncGenerator<void> {
  for (;;) {
    await new Promise<void>((resolve) => rings.push(resolve))
    yield
  }
}
const ring = async () => {
  rings.shift()?.()
  await vi.advanceTimersByTimeAsync(0)
}
/** How long the bell waits, in milliseconds. */
async function waited(wait: Promise<void>, ms: number): Promise<boolean> {
  let done = false
  void wait.then(() => {
    done = true
  })
  await vi.advanceTimersByTimeAsync(ms)
  return done
}

beforeEach(() => {
  vi.useFakeTimers()
  life = new AbortController()
  rings = []
})
afterEach(() => {
  life.abort()
  vi.useRealTimers()
})

test('without a nudge it waits for the clock', async () => {
  const bell = new Bell([source], life.signal)
  const wait = bell.wait(1_000, 100)
  expect(await waited(wait, 999)).toBe(false)
  expect(await waited(wait, 1)).toBe(true)
})

test('a nudge ends the wait, but not sooner than the least', async () => {
  const bell = new Bell([source], life.signal)
  await vi.advanceTimersByTimeAsync(0)
  const wait = bell.wait(10_000, 100)
  await ring()
  expect(await waited(wait, 99)).toBe(false)
  expect(await waited(wait, 1)).toBe(true)
  const next = bell.wait(10_000, 100)
  await vi.advanceTimersByTimeAsync(500)
  await ring()
  expect(await waited(next, 0)).toBe(true)
})

test('a nudge that came while nobody waited is kept, and many are one', async () => {
  const bell = new Bell([source], life.signal)
  await vi.advanceTimersByTimeAsync(0)
  await ring()
  await ring()
  expect(await waited(bell.wait(10_000, 10), 10)).toBe(true)
  expect(await waited(bell.wait(10_000, 10), 9_999)).toBe(false)
})

test('a source that fails or ends is begun again', async () => {
  let begun = 0
  async function* faulty(): AsyncGenerator<void> {
    begun++
    if (begun === 1) throw new Error('cannot see')
    if (begun === 3) yield
  }
  const bell = new Bell([faulty], life.signal)
  const wait = bell.wait(10_000, 0)
  expect(await waited(wait, 1_900)).toBe(false)
  expect(await waited(wait, 200)).toBe(true)
  expect(begun).toBe(3)
})

test('the end of the signal ends the wait at once, also within the least', async () => {
  const bell = new Bell([source], life.signal)
  const wait = bell.wait(10_000, 5_000)
  life.abort()
  expect(await waited(wait, 0)).toBe(true)
  expect(await waited(bell.wait(10_000, 5_000), 0)).toBe(true)
})
