import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { openMemory } from '../../src/ports/memory/open.ts'
import { describeDocker } from '../fixtures/docker.ts'
import { endsByItself } from '../fixtures/ends.ts'
import { freePort, startRedis, type TestServer } from '../fixtures/servers.ts'
import { testSharedMemory } from './memory.ts'

const fleet = 'test-memory'

testSharedMemory('embedded', async () => {
  const memory = await openMemory('embedded:', { fleet })
  return { a: memory, b: memory, close: () => memory.close() }
})

describe('opening shared memory', () => {
  test('refuses an address that no adapter knows, or that holds a password', async () => {
    for (const url of ['amqp://host', 'nonsense', 'redis://:secret@host', 'redis://']) {
      await expect(openMemory(url, { fleet })).rejects.toMatchObject({ code: 'config_invalid' })
    }
  })

  test('says so when nobody listens, at once or after the time it may wait', async () => {
    const url = `redis://127.0.0.1:${await freePort()}`
    await expect(openMemory(url, { fleet })).rejects.toMatchObject({ code: 'memory_unreachable', transient: true })
    const start = performance.now()
    await expect(openMemory(url, { fleet, waitMs: 1_000 })).rejects.toMatchObject({ code: 'memory_unreachable' })
    expect(performance.now() - start).toBeGreaterThan(400)
    expect(performance.now() - start).toBeLessThan(3_000)
  })
})

describeDocker('shared memory on a real Redis', () => {
  let server: TestServer
  const open = (waitMs = 0) => openMemory(server.url, { fleet, password: server.password, waitMs })
  beforeAll(async () => {
    server = await startRedis()
    await (await open(30_000)).close()
  }, 60_000)
  afterAll(() => server?.remove())

  testSharedMemory('redis', async () => {
    const [a, b] = await Promise.all([open(), open()])
    return { a, b, close: async () => void (await Promise.all([a.close(), b.close()])) }
  })

  test('close lets the process end', async () => {
    expect(await endsByItself('memory', server)).toBe(0)
  })

  test('a wrong password is refused at once, whatever the waiting time', async () => {
    const start = performance.now()
    await expect(openMemory(server.url, { fleet, password: 'wrong', waitMs: 20_000 })).rejects.toMatchObject({
      code: 'memory_unreachable',
      transient: false,
    })
    expect(performance.now() - start).toBeLessThan(5_000)
  })

  test('fleets on one server do not see each other', async () => {
    const mine = await open()
    const other = await openMemory(server.url, { fleet: 'test-other', password: server.password })
    await mine.write('private', 1)
    expect(await other.read('private')).toBeUndefined()
    expect((await other.list('')).length).toBe(0)
    await Promise.all([mine.close(), other.close()])
  })

  test('names of expired values do not pile up', async () => {
    const memory = await open()
    for (let i = 0; i < 50; i++) await memory.write(`pile/${i}`, i, { ttlMs: 20 })
    await sleep(60)
    for (let i = 0; i < 20; i++) await memory.write('other', i)
    const left = await server.exec('redis-cli', '-a', server.password, 'ZCARD', `arbdeck:${fleet}:expiring`)
    expect(Number(left.split('\n').at(-1))).toBeLessThan(5)
    expect(await memory.list('pile/')).toEqual([])
    await memory.close()
  })

  describe('faults', () => faultTests(() => ({ server, open })))
})

function faultTests(context: () => { server: TestServer; open(): Promise<SharedMemory> }): void {
  test('killed and started again: calls fail within seconds, then work; nothing acknowledged is lost; watches are nudged', async () => {
    const { server, open } = context()
    const memory = await open()
    const abort = new AbortController()
    let nudges = 0
    const watching = (async () => {
      for await (const _nudge of memory.watch({ prefixes: ['fault/'] }, abort.signal)) nudges += 1
    })()
    const version = (await memory.write('fault/kept', 'before')) ?? 0
    const lease = await memory.lease('fault', 'anna', 60_000)
    await memory.stream('fault').append('before')
    await expect.poll(() => nudges).toBeGreaterThan(0)
    await sleep(1_200) // appendfsync everysec

    await server.stop('kill')
    const start = performance.now()
    await expect(memory.read('fault/kept')).rejects.toMatchObject({ code: 'memory_unreachable', transient: true })
    await expect(memory.list('fault/')).rejects.toMatchObject({ code: 'memory_unreachable' })
    await expect(lease?.renew()).rejects.toMatchObject({ code: 'memory_unreachable' })
    expect(performance.now() - start).toBeLessThan(8_000)

    const before = nudges
    await server.start()
    await expect
      .poll(() => memory.read('fault/kept').catch(() => 'away'), { timeout: 20_000 })
      .toEqual({
        key: 'fault/kept',
        version,
        value: 'before',
      })
    await expect.poll(() => nudges, { timeout: 10_000 }).toBeGreaterThan(before)
    expect(await lease?.renew()).toBe(true)
    expect((await memory.stream('fault').read()).map((entry) => entry.value)).toEqual(['before'])
    const seen = nudges
    await memory.write('fault/kept', 'after', { expect: version })
    await expect.poll(() => nudges).toBeGreaterThan(seen)
    abort.abort()
    await watching
    await memory.close()
  })

  test('a connection that is cut is mended, and its watches are nudged', async () => {
    const { server, open } = context()
    const memory = await open()
    const abort = new AbortController()
    let nudges = 0
    const watching = (async () => {
      for await (const _nudge of memory.watch({ prefixes: ['cut/'] }, abort.signal)) nudges += 1
    })()
    await expect.poll(() => nudges).toBe(1)
    await server.exec('redis-cli', '-a', server.password, 'CLIENT', 'KILL', 'TYPE', 'pubsub')
    await expect.poll(() => nudges, { timeout: 5_000 }).toBe(2)
    await server.exec('redis-cli', '-a', server.password, 'CLIENT', 'KILL', 'TYPE', 'normal')
    await expect.poll(() => memory.write('cut/key', 1).catch(() => undefined), { timeout: 5_000 }).toBeGreaterThan(0)
    await expect.poll(() => nudges).toBeGreaterThan(2)
    abort.abort()
    await watching
    await memory.close()
  })

  test('a server that has lost everything still gives larger versions and tokens', async () => {
    const { server, open } = context()
    const memory = await open()
    const version = (await memory.write('lost', 1)) ?? 0
    const lease = await memory.lease('lost', 'anna', 60_000)
    await server.exec('redis-cli', '-a', server.password, 'FLUSHALL')
    expect(await memory.write('lost', 2)).toBeGreaterThan(version)
    expect((await memory.lease('lost', 'bert', 60_000))?.token).toBeGreaterThan(lease?.token ?? Infinity)
    await memory.close()
  })

  test('a server that hangs fails calls within seconds', async () => {
    const { server, open } = context()
    const memory = await open()
    await server.exec('redis-cli', '-a', server.password, 'CLIENT', 'PAUSE', '6000', 'ALL')
    const start = performance.now()
    await expect(memory.read('anything')).rejects.toMatchObject({ code: 'memory_unreachable', transient: true })
    expect(performance.now() - start).toBeLessThan(5_000)
    await expect.poll(() => memory.read('anything').catch(() => 'away'), { timeout: 20_000 }).toBeUndefined()
    await memory.close()
  })
}
