import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openHubClient } from '../../../src/client/hub.ts'
import type { History } from '../../../src/ports/history/history.ts'
import { openHistory } from '../../../src/ports/history/open.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { OPERATOR, TestFleet } from '../../fixtures/hub.ts'

let history: History
let fleet: TestFleet
beforeAll(async () => {
  history = await openHistory('pglite:')
})
afterAll(() => history.close())
beforeEach(async () => {
  fleet = await TestFleet.open(history)
})
afterEach(() => fleet.close())

const headers = { authorization: `Bearer ${OPERATOR}` }
const get = async (path: string) => {
  const response = await fetch(`${fleet.hub?.url}${path}`, { headers })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
const note = (message: string) => ({ type: 'note', at: now(), level: 'info', from: 'test', message })
const say = (message: string) => fleet.memory.stream(streams.events).append(note(message))
const recorded = async () => (await fleet.events()).map((event) => (event.type === 'note' ? event.message : event.type))
const until = (check: () => Promise<unknown> | unknown) => expect.poll(check, { timeout: 8_000, interval: 20 })

/** The port with every method failing while `out()`. */
function withOutage<T extends object>(
  port: T,
  out: () => boolean,
  code: 'memory_unreachable' | 'history_unreachable',
): T {
  return new Proxy(port, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (!out() || name === 'close') return (value as (...all: unknown[]) => unknown).apply(target, args)
        const error = new FleetError(code, 'it is away', { remedy: 'Wait.', transient: true })
        if (name === 'stream' || name === 'watch') throw error
        return Promise.reject(error)
      }
    },
  })
}

describe('the HTTP API', () => {
  test('gives agents, records and health', async () => {
    await fleet.agent('builder-1')
    await fleet.startHub()
    await say('hello')
    expect((await get('/api/agents')).body).toMatchObject({ agents: [{ id: 'builder-1', state: 'healthy' }] })
    await until(async () => (await get('/api/records/event')).body.records).toMatchObject([
      { body: { message: 'hello' } },
    ])
    expect((await get('/api/records/event?since=2999-01-01T00:00:00Z')).body.records).toEqual([])
    expect((await fetch(`${fleet.hub?.url}/api/health`)).status).toBe(200)
  })

  test('a correction of an execution is an event, and once an entry of the ledger', async () => {
    await fleet.startHub()
    const { memory } = fleet
    const [id, was, status] = [`0x${'1'.repeat(64)}`, 'executed', 'missed']
    await memory.stream('events').append({
      ...{ type: 'execution_corrected', at: '2026-01-01T00:00:00.000Z', id, attempt: 1, correction: 2, was, status },
      ...{ tx: null, block: null, profitWei: '0', gasWei: '0', profitDeltaWei: '-70', gasDeltaWei: '-3', reason: null },
    })
    await until(async () => (await get('/api/records/ledger')).body.records).toMatchObject([
      { id: `${id}/1/2`, body: { entry: 'correction', id, profitDeltaWei: '-70', gasDeltaWei: '-3', status } },
    ])
    expect((await get('/api/records/ledger?until=2025-12-31T00:00:00Z')).body.records).toEqual([])
  })

  test('answers errors in one shape', async () => {
    await fleet.startHub()
    const unknown = await get('/api/nothing')
    expect(unknown).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
    for (const bad of [
      '/api/records/secret',
      '/api/records/trade?limit=0',
      '/api/records/trade?since=today',
      '/api/records/trade?x=1',
      '/api/events?last=-1',
      '/api/events?after=x',
    ]) {
      expect(await get(bad), bad).toMatchObject({ status: 400, body: { error: { code: 'usage' } } })
    }
  })

  test('streams events: the last ones, those after an id, and what comes', async () => {
    await fleet.startHub()
    await say('first')
    const second = await say('second')
    const read = async (path: string, extra: Record<string, string>, wanted: number) => {
      const abort = new AbortController()
      const response = await fetch(`${fleet.hub?.url}${path}`, {
        headers: { ...headers, ...extra },
        signal: abort.signal,
      })
      const seen: string[] = []
      let text = ''
      setTimeout(() => void say('third'), 100)
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += Buffer.from(chunk).toString()
        seen.splice(0, seen.length, ...[...text.matchAll(/"message":"(\w+)"/g)].map(([, message]) => message ?? ''))
        if (seen.length >= wanted) break
      }
      abort.abort()
      return seen
    }
    expect(await read('/api/events', {}, 1)).toEqual(['third'])
    expect(await read('/api/events?last=2', {}, 3)).toEqual(['second', 'third', 'third'])
    expect(await read('/api/events', { 'last-event-id': second }, 3)).toEqual(['third', 'third', 'third'])
  })

  test('gives Prometheus text', async () => {
    await fleet.agent('builder-1')
    await fleet.startHub()
    const text = await (await fetch(`${fleet.hub?.url}/metrics`, { headers })).text()
    expect(text).toContain('arbdeck_agents{role="builder",state="healthy"} 1')
    expect(text).toContain('arbdeck_queue_depth{role="executor"} 0')
    expect(text).toContain('arbdeck_hub_calls_total{outcome="ok"} 0')
    expect(text).toContain('arbdeck_hub_sessions 0')
  })
})

describe('the recorder', () => {
  test('keeps what was said while no hub ran, each once and in order', async () => {
    await say('before')
    const first = await fleet.startHub()
    await say('during')
    await until(recorded).toEqual(['before', 'during'])
    await first.close()
    const between = await say('between')
    await fleet.startHub()
    await until(recorded).toEqual(['before', 'during', 'between'])
    await until(async () => (await fleet.memory.read(keys.recorded(streams.events)))?.value).toBe(between)
  })

  test('carries what is left when the hub closes', async () => {
    const hub = await fleet.startHub()
    await say('last words')
    await hub.close()
    expect(await recorded()).toEqual(['last words'])
  })

  test('leaves a malformed entry out and goes on', async () => {
    await fleet.startHub()
    await fleet.memory.stream(streams.events).append({ type: 'gibberish' })
    await say('after')
    await until(recorded).toEqual(['after'])
    expect(fleet.logged.join('\n')).toContain('1 malformed')
  })
})

describe('outages', () => {
  test('of history: records answer 503, the hub says so, and catches up by itself', async () => {
    let out = true
    await fleet.startHub({ history: withOutage(history, () => out, 'history_unreachable') })
    await say('waits')
    expect(await get('/api/records/event')).toMatchObject({
      status: 503,
      body: { error: { code: 'history_unreachable' } },
    })
    await until(async () => (await fleet.memory.read(keys.service('hub')))?.value).toMatchObject({ state: 'unhealthy' })
    out = false
    await until(recorded).toEqual(['waits'])
    await until(async () => (await fleet.memory.read(keys.service('hub')))?.value).toMatchObject({ state: 'healthy' })
  })

  test('of shared memory at the start: health answers 503, and the hub comes up by itself', async () => {
    let out = true
    await fleet.agent('builder-1')
    const memory: SharedMemory = withOutage(fleet.memory, () => out, 'memory_unreachable')
    await fleet.startHub({ memory })
    expect(await get('/api/health')).toMatchObject({ status: 503, body: { error: { code: 'memory_unreachable' } } })
    expect((await fetch(`${fleet.hub?.url}/health`)).status).toBe(200)
    const client = openHubClient({ url: fleet.hub?.url ?? '', token: OPERATOR })
    await expect(client.tools()).rejects.toMatchObject({ code: 'memory_unreachable' })
    await expect(client.call('builder__who', {})).rejects.toMatchObject({ code: 'memory_unreachable' })
    await client.close()
    out = false
    await until(async () => (await fleet.audits()).map(({ outcome }) => outcome)).toEqual(['refused'])
    await until(async () => (await get('/api/health')).status).toBe(200)
  })
})

describe('the life of the hub', () => {
  test('it says where it is, and takes that back when it closes', async () => {
    const hub = await fleet.startHub()
    await until(async () => (await fleet.memory.read(keys.service('hub')))?.value).toMatchObject({
      name: 'hub',
      state: 'healthy',
      url: hub.url,
    })
    await hub.close()
    expect(await fleet.memory.read(keys.service('hub'))).toBeUndefined()
  })

  test('a taken port is refused, naming who has it and the option that moves it', async () => {
    const { port } = await fleet.startHub()
    await expect(fleet.startHub({ port })).rejects.toMatchObject({
      code: 'port_taken',
      message: expect.stringContaining(`(pid ${process.pid})`),
      remedy: expect.stringContaining('--hub-port'),
    })
  })

  test('it closes quickly while events are followed', async () => {
    const hub = await fleet.startHub()
    const follower = await fetch(`${hub.url}/api/events`, { headers })
    const began = performance.now()
    await hub.close()
    expect(performance.now() - began).toBeLessThan(1_500)
    await follower.body?.cancel().catch(() => undefined)
  })
})
