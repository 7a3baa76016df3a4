import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'

export type Clients = () => { a: SharedMemory; b: SharedMemory }

export function streamTests(clients: Clients): void {
  test('entries come back in the order of appending, oldest first, with bigints as strings', async () => {
    const { a, b } = clients()
    const ids = []
    for (let i = 0; i < 30; i++) ids.push(await a.stream('stream/order').append({ n: BigInt(i) }))
    const entries = await b.stream('stream/order').read()
    expect(entries.map((entry) => entry.value)).toEqual(Array.from({ length: 30 }, (_, i) => ({ n: String(i) })))
    expect(entries.map((entry) => entry.id)).toEqual(ids)
    expect([...ids].sort()).toEqual(ids)
  })

  test('reads after an id, or the last few', async () => {
    const { a } = clients()
    const stream = a.stream('stream/after')
    const ids = []
    for (let i = 0; i < 5; i++) ids.push(await stream.append(i))
    expect((await stream.read({ after: ids[2] ?? '' })).map((entry) => entry.value)).toEqual([3, 4])
    expect(await stream.read({ after: ids[4] ?? '' })).toEqual([])
    expect((await stream.read({ last: 2 })).map((entry) => entry.value)).toEqual([3, 4])
    expect(await stream.read({ last: 0 })).toEqual([])
    await expect(stream.read({ after: 'nonsense' })).rejects.toMatchObject({ code: 'malformed' })
  })

  test('it keeps the newest of the length given', async () => {
    const { a, b } = clients()
    for (let i = 0; i < 20; i++) await a.stream('stream/bounded').append(i, 5)
    expect((await b.stream('stream/bounded').read()).map((entry) => entry.value)).toEqual([15, 16, 17, 18, 19])
  })

  test('an unknown stream is empty', async () => {
    expect(await clients().a.stream('stream/never').read()).toEqual([])
  })
}

/** Nudges counted as they come. */
function counting(nudges: AsyncIterable<void>): { count: number; ended: Promise<void> } {
  const counted = { count: 0, ended: Promise.resolve() }
  counted.ended = (async () => {
    for await (const _nudge of nudges) counted.count += 1
  })()
  return counted
}

export function watchTests(clients: Clients): void {
  test('a nudge at once, and one after each change under a prefix or in a stream by any client', async () => {
    const { a, b } = clients()
    const abort = new AbortController()
    const seen = counting(a.watch({ prefixes: ['watch/x/'], streams: ['watch/s'] }, abort.signal))
    await expect.poll(() => seen.count).toBe(1)
    await b.write('watch/x/1', 1)
    await expect.poll(() => seen.count).toBe(2)
    await a.write('watch/x/1', undefined)
    await expect.poll(() => seen.count).toBe(3)
    await b.stream('watch/s').append(1)
    await expect.poll(() => seen.count).toBe(4)
    await b.write('watch/y', 1)
    await b.stream('watch/other').append(1)
    await sleep(100)
    expect(seen.count).toBe(4)
    abort.abort()
    await seen.ended
  })

  test('what changes while nobody waits is one nudge later, not none', async () => {
    const { a, b } = clients()
    const abort = new AbortController()
    const nudges = a.watch({ prefixes: ['merge/'] }, abort.signal)[Symbol.asyncIterator]()
    await nudges.next()
    for (let i = 0; i < 5; i++) await b.write('merge/key', i)
    await sleep(100)
    expect(await nudges.next()).toEqual({ done: false, value: undefined })
    const another = nudges.next().then(() => 'nudged')
    expect(await Promise.race([another, sleep(100, 'quiet')])).toBe('quiet')
    abort.abort()
    await another
  })

  test('a watch ends when its signal aborts', async () => {
    const abort = new AbortController()
    const seen = counting(clients().a.watch({ prefixes: ['end/'] }, abort.signal))
    await expect.poll(() => seen.count).toBe(1)
    abort.abort()
    await seen.ended
    const late = counting(clients().a.watch({ prefixes: ['end/'] }, abort.signal))
    await late.ended
    expect(late.count).toBe(0)
  })
}
