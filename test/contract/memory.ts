import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { type Clients, streamTests, watchTests } from './memory-watch.ts'

/** Two clients of the same fleet's memory (embedded: one instance, twice), and how to be rid of them. */
export interface MemoryUnderTest {
  a: SharedMemory
  b: SharedMemory
  close(): Promise<void>
}

/** What every SharedMemory promises. */
export function testSharedMemory(name: string, open: () => Promise<MemoryUnderTest>): void {
  describe(`shared memory: ${name}`, () => {
    let memory: MemoryUnderTest
    let a: SharedMemory
    let b: SharedMemory
    beforeAll(async () => {
      memory = await open()
      ;({ a, b } = memory)
    })
    afterAll(() => memory?.close())

    describe('values', () => valueTests(() => ({ a, b })))
    describe('leases', () => leaseTests(() => ({ a, b })))
    describe('streams', () => streamTests(() => ({ a, b })))
    describe('watches', () => watchTests(() => ({ a, b })))
  })
}

function valueTests(clients: Clients): void {
  test('what one client writes the other reads, with bigints as decimal strings', async () => {
    const { a, b } = clients()
    const version = await a.write('value/round', { wei: 10n ** 20n, list: [1, null, 'ü'] })
    expect(await b.read('value/round')).toEqual({
      key: 'value/round',
      version,
      value: { wei: '100000000000000000000', list: [1, null, 'ü'] },
    })
  })

  test('a value that was read can be changed without changing what is held', async () => {
    const { a } = clients()
    const value = { list: [1] }
    await a.write('value/copy', value)
    value.list.push(2)
    const [held] = await a.list('value/copy')
    Object.assign(held?.value ?? {}, { list: [3] })
    expect((await a.read('value/copy'))?.value).toEqual({ list: [1] })
  })

  test('an absent key reads as undefined', async () => {
    expect(await clients().a.read('value/never')).toBeUndefined()
  })

  test('expect "absent" writes once', async () => {
    const { a, b } = clients()
    expect(await a.write('value/once', 1, { expect: 'absent' })).toBeGreaterThan(0)
    expect(await b.write('value/once', 2, { expect: 'absent' })).toBeUndefined()
    expect((await a.read('value/once'))?.value).toBe(1)
  })

  test('of many concurrent writers that expect the same version one wins', async () => {
    const { a, b } = clients()
    const version = await a.write('value/race', 0)
    const tries = Array.from({ length: 40 }, (_, i) => (i % 2 ? a : b).write('value/race', i, { expect: version ?? 0 }))
    const won = (await Promise.all(tries)).map((v, i) => ({ v, i })).filter(({ v }) => v !== undefined)
    expect(won).toHaveLength(1)
    expect(await b.read('value/race')).toEqual({ key: 'value/race', version: won[0]?.v, value: won[0]?.i })
  })

  test('concurrent compare-and-set increments from two clients lose none', async () => {
    const { a, b } = clients()
    const increment = async (memory: SharedMemory) => {
      for (;;) {
        const entry = await memory.read('value/count')
        const next = Number(entry?.value ?? 0) + 1
        if ((await memory.write('value/count', next, { expect: entry?.version ?? 'absent' })) !== undefined) return
      }
    }
    await Promise.all(Array.from({ length: 30 }, (_, i) => increment(i % 2 ? a : b)))
    expect((await a.read('value/count'))?.value).toBe(30)
  })

  test('versions rise with every write, also across a removal', async () => {
    const { a, b } = clients()
    const first = (await a.write('value/rise', 1)) ?? 0
    const second = (await b.write('value/rise', 2)) ?? 0
    expect(await a.write('value/rise', undefined, { expect: second })).toBe(0)
    expect(await b.read('value/rise')).toBeUndefined()
    const third = (await b.write('value/rise', 3, { expect: 0 })) ?? 0
    expect(second).toBeGreaterThan(first)
    expect(third).toBeGreaterThan(second)
    expect(await a.write('value/rise', 4, { expect: second })).toBeUndefined()
  })

  test('a removal whose expectation fails removes nothing', async () => {
    const { a } = clients()
    const version = (await a.write('value/stays', 1)) ?? 0
    expect(await a.write('value/stays', undefined, { expect: version - 1 })).toBeUndefined()
    expect((await a.read('value/stays'))?.value).toBe(1)
  })

  test('a value with a time to live ends by itself, unless written again', async () => {
    const { a, b } = clients()
    await a.write('ttl/short', 1, { ttlMs: 150 })
    await a.write('ttl/renewed', 1, { ttlMs: 150 })
    await a.write('ttl/kept', 1, { ttlMs: 150 })
    await a.write('ttl/renewed', 2, { ttlMs: 10_000 })
    await a.write('ttl/kept', 2)
    expect(await b.list('ttl/')).toHaveLength(3)
    await sleep(250)
    expect(await b.read('ttl/short')).toBeUndefined()
    expect((await b.list('ttl/')).map((entry) => entry.key)).toEqual(['ttl/kept', 'ttl/renewed'])
    expect(await b.write('ttl/short', 2, { expect: 'absent' })).toBeGreaterThan(0)
    expect(await b.list('ttl/')).toHaveLength(3)
  })

  test('list gives what begins with the prefix, by key, and takes every character literally', async () => {
    const { a, b } = clients()
    for (const key of ['list/b', 'list/a*', 'list/a', 'list/c?', 'lis', 'list']) await a.write(key, key)
    expect((await b.list('list/')).map((entry) => entry.key)).toEqual(['list/a', 'list/a*', 'list/b', 'list/c?'])
    expect((await b.list('list/a*')).map((entry) => entry.value)).toEqual(['list/a*'])
    expect(await b.list('list/z')).toEqual([])
    await a.write('list/b', undefined)
    expect((await b.list('list/b')).length).toBe(0)
    expect((await b.list('')).length).toBeGreaterThan(4)
  })
}

function leaseTests(clients: Clients): void {
  test('a lease is held by one owner until it is released, and tokens grow', async () => {
    const { a, b } = clients()
    const first = await a.lease('lease/one', 'anna', 5_000)
    expect(await b.lease('lease/one', 'bert', 5_000)).toBeUndefined()
    await first?.release()
    const second = await b.lease('lease/one', 'bert', 5_000)
    expect(second?.token).toBeGreaterThan(first?.token ?? Infinity)
    expect(await first?.renew()).toBe(false)
    await first?.release()
    expect(await a.lease('lease/one', 'anna', 5_000)).toBeUndefined()
  })

  test('of many who want a lease at once one gets it', async () => {
    const { a, b } = clients()
    const tries = Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).lease('lease/race', `owner ${i}`, 5_000))
    expect((await Promise.all(tries)).filter((lease) => lease !== undefined)).toHaveLength(1)
  })

  test('a lease ends by itself, and its holder learns it', async () => {
    const { a, b } = clients()
    const first = await a.lease('lease/ends', 'anna', 150)
    expect(first).toBeDefined()
    await sleep(250)
    expect(await first?.renew()).toBe(false)
    const second = await b.lease('lease/ends', 'bert', 5_000)
    expect(second?.token).toBeGreaterThan(first?.token ?? Infinity)
  })

  test('renewing keeps it', async () => {
    const { a, b } = clients()
    const lease = await a.lease('lease/renewed', 'anna', 200)
    for (let i = 0; i < 4; i++) {
      await sleep(100)
      expect(await lease?.renew()).toBe(true)
    }
    expect(await b.lease('lease/renewed', 'bert', 200)).toBeUndefined()
    expect(await lease?.renew(5_000)).toBe(true)
    await sleep(300)
    expect(await b.lease('lease/renewed', 'bert', 200)).toBeUndefined()
  })

  test('the same owner takes it again with a larger token; what he held before is over', async () => {
    const { a, b } = clients()
    const before = await a.lease('lease/again', 'anna smith', 5_000)
    const after = await b.lease('lease/again', 'anna smith', 5_000)
    expect(after?.token).toBeGreaterThan(before?.token ?? Infinity)
    expect(await before?.renew()).toBe(false)
    await before?.release()
    expect(await after?.renew()).toBe(true)
  })

  test('leases are not values', async () => {
    const { a } = clients()
    await a.lease('lease/apart', 'anna', 5_000)
    expect(await a.read('lease/apart')).toBeUndefined()
  })
}
