import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, expect, test } from 'vitest'
import type { FleetClient } from '../../../src/client/client.ts'
import { serveControl } from '../../../src/client/host.ts'
import { SocketClient } from '../../../src/client/socket.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { FleetEvent } from '../../../src/protocol/event.ts'
import type { LogLine } from '../../../src/protocol/records.ts'
import { wei } from '../../../src/protocol/units.ts'
import { fakeFleet, fakeSnapshot, hash } from '../../fixtures/fake-client.ts'
import { timeOf, tradeRecord } from '../../fixtures/records.ts'
import { soon } from '../../fixtures/world.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'ad-sock-'))
const ends: (() => Promise<unknown>)[] = []
let sockets = 0
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Served {
  client: SocketClient
  socketPath: string
  /** Ends the host. */
  end(): Promise<void>
}

/** A host that serves a fleet with some methods replaced, and a client of it. */
async function serve(methods: Partial<FleetClient> = {}): Promise<Served> {
  const socketPath = path.join(folder, `${sockets++}.sock`)
  const host = await serveControl({ ...fakeFleet().client, ...methods }, socketPath)
  const client = await SocketClient.open('test', socketPath)
  ends.push(
    () => client.close(),
    () => host.close(),
  )
  return { client, socketPath, end: () => host.close() }
}

const never = new AbortController().signal

test('a picture arrives whole, with every amount as the bigint that it was', async () => {
  const snapshot = fakeSnapshot({ change: { profitWei: wei(-(2n ** 90n)) } })
  const { client } = await serve({ snapshot: async () => snapshot })
  expect(await client.snapshot()).toEqual(snapshot)
})

test('records arrive as they are, and parameters too', async () => {
  const asked: unknown[] = []
  const { client } = await serve({
    trades: async (query) => {
      asked.push(query)
      return [tradeRecord(1).body]
    },
    snapshot: async (options) => {
      asked.push(options)
      return fakeSnapshot()
    },
    halt: async (reason) => {
      asked.push(reason)
    },
    call: async (tool, input) => {
      asked.push([tool, input])
      return { amountRaw: 5n }
    },
  })
  expect(await client.trades({ id: '0x12', last: 3 })).toEqual([tradeRecord(1).body])
  await client.trades({ last: 4 })
  await client.snapshot({ usage: true })
  expect(await client.halt(null)).toBeUndefined()
  expect(await client.call('role__tool', { deep: [1, { a: null }] })).toEqual({ amountRaw: '5' })
  expect(asked).toEqual([
    { id: '0x12', last: 3 },
    { last: 4 },
    { usage: true },
    null,
    ['role__tool', { deep: [1, { a: null }] }],
  ])
})

test('answers find their questions, however they overtake each other', async () => {
  const { client } = await serve({
    restart: async (target) => {
      await pause(target === 'slow' ? 60 : 1)
      return [target ?? 'all']
    },
  })
  const answers = await Promise.all(['slow', 'fast', null].map((target) => client.restart(target)))
  expect(answers).toEqual([['slow'], ['fast'], ['all']])
})

test('an error keeps its code, its message and its remedy', async () => {
  const { client } = await serve({
    scale: async () => {
      throw new FleetError('usage', 'executor would be 99', { remedy: 'Choose less.', cause: new Error('why') })
    },
    resume: async () => {
      throw new TypeError('a fault of ours')
    },
  })
  await expect(client.scale([])).rejects.toMatchObject({
    code: 'usage',
    message: 'executor would be 99',
    remedy: 'Choose less.',
    cause: 'why',
    exitCode: 2,
  })
  await expect(client.resume()).rejects.toMatchObject({ code: 'internal', message: 'a fault of ours' })
})

const event = (n: number): FleetEvent => ({
  type: 'execution',
  at: timeOf(n),
  id: hash(n),
  tx: hash(n + 1),
  block: n,
  profitWei: wei(10n ** 19n + BigInt(n)),
  predictedWei: wei(1n),
  gasWei: wei(2n),
  exact: false,
})

test('a stream comes in order, ends with its source, and fails with it', async () => {
  const { client } = await serve({
    async *events() {
      for (let n = 1; n <= 50; n++) yield event(n)
    },
    async *logs() {
      yield { at: timeOf(1), source: 'hub', level: 'info', message: 'ünïcode 🚀 \n second line' } satisfies LogLine
      throw new FleetError('not_found', 'there is no hub', { remedy: 'See arbdeck ps.' })
    },
  })
  const events: FleetEvent[] = []
  for await (const one of client.events({ follow: false }, never)) events.push(one)
  expect(events).toEqual(Array.from({ length: 50 }, (_, i) => event(i + 1)))
  const messages: string[] = []
  const read = async () => {
    const query = { sources: [], follow: true, tail: 1 }
    for await (const line of client.logs(query, never)) messages.push(line.message)
  }
  await expect(read()).rejects.toMatchObject({ code: 'not_found', remedy: 'See arbdeck ps.' })
  expect(messages).toEqual(['ünïcode 🚀 \n second line'])
})

/** `changes` that never end by themselves, and whether the host was told to end them. */
function endless(): { changes: FleetClient['changes']; state: { begun: boolean; aborted: boolean } } {
  const state = { begun: false, aborted: false }
  return {
    state,
    async *changes(signal) {
      state.begun = true
      signal.addEventListener('abort', () => (state.aborted = true))
      yield
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  }
}

test('leaving a stream ends it at the host: by an abort, by a break, and when the client is gone', async () => {
  for (const way of ['abort', 'break', 'close'] as const) {
    const { changes, state } = endless()
    const { client } = await serve({ changes })
    const life = new AbortController()
    const read = async () => {
      for await (const _nudge of client.changes(life.signal)) {
        if (way === 'break') break
        if (way === 'abort') life.abort()
        if (way === 'close') await client.close()
      }
    }
    await read().catch((thrown: FleetError) => expect(thrown.code).toBe('fleet_not_running'))
    await soon(`${way} reaches the host`, () => state.aborted)
    if (way !== 'close') expect((await client.snapshot()).fleet).toBe('arbdeck')
  }
})

test('when the host dies, all that waits is told that no fleet runs, and so is all that is asked later', async () => {
  const { changes, state } = endless()
  const { client, socketPath, end } = await serve({ changes, restart: () => new Promise(() => {}) })
  const gone = { code: 'fleet_not_running', exitCode: 3 }
  const streaming = (async () => {
    for await (const _nudge of client.changes(never)) state.begun = true
  })()
  const waiting = expect(client.restart(null)).rejects.toMatchObject(gone)
  const reading = expect(streaming).rejects.toMatchObject(gone)
  await soon('the host streams', () => state.begun)
  await end()
  await Promise.all([waiting, reading])
  await expect(client.snapshot()).rejects.toMatchObject(gone)
  expect(existsSync(socketPath)).toBe(false)
})

test('where nobody listens no fleet runs, and the remedy starts the one that was named', async () => {
  await expect(SocketClient.open('other', path.join(folder, 'nothing.sock'))).rejects.toMatchObject({
    code: 'fleet_not_running',
    remedy: expect.stringContaining('--fleet other'),
  })
})
