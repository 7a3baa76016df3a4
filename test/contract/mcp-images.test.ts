import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openHubClient } from '../../src/client/hub.ts'
import type { History } from '../../src/ports/history/history.ts'
import { openHistory } from '../../src/ports/history/open.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { AgentRecordSchema } from '../../src/protocol/fleet.ts'
import { keys } from '../../src/protocol/keys.ts'
import { type ImageRole, RoleSpecSchema } from '../../src/protocol/role-spec.ts'
import { now } from '../../src/protocol/schemas.ts'
import { AGENT, OPERATOR, TestFleet } from '../fixtures/hub.ts'
import { type ImageServer, startImageServer } from '../fixtures/image-server.ts'
import { testWanted } from '../fixtures/wanted.ts'

let history: History
let fleet: TestFleet
const closing: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  history = await openHistory('pglite:')
})
afterAll(() => history.close())
beforeEach(async () => {
  fleet = await TestFleet.open(history)
})
afterEach(async () => {
  await fleet.close()
  for (const close of closing.splice(0).reverse()) await close()
})

const until = (check: () => Promise<unknown> | unknown) => expect.poll(check, { timeout: 12_000, interval: 50 })
const record = async (id: string) => (await readAs(fleet.memory, keys.agent(id), AgentRecordSchema))?.value
const events = async () =>
  (await fleet.events()).flatMap((event) => (event.type === 'agent' ? [`${event.id} ${event.state}`] : []))

/** The role `prices` as an image that answers on this machine's port. */
async function want(count: number, image: Pick<ImageRole, 'port'> & Partial<ImageRole>, startSeconds = 60) {
  const wanted = testWanted()
  const prices = RoleSpecSchema.parse({
    ...{ description: 'Prices', priority: 'low', max: 4, memoryMb: 64, capabilities: ['prices'] },
    counts: { mini: 1, standard: 1, full: 1 },
    health: { startSeconds },
    image: { ref: 'example/prices:1', ...image },
  })
  const spec = { ...wanted.spec, roles: { ...wanted.spec.roles, prices } }
  await fleet.memory.write(keys.wanted, { ...wanted, spec, counts: { ...wanted.counts, prices: count } })
}

async function server(transport: ImageRole['transport'], port?: number): Promise<ImageServer> {
  const one = await startImageServer(transport, port)
  closing.push(() => one.close())
  return one
}

async function answering(listener: RequestListener): Promise<number> {
  const http = createServer(listener)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    http.closeAllConnections()
    http.close()
  })
  return (http.address() as AddressInfo).port
}

async function hub() {
  const { url } = await fleet.startHub({ imageHost: () => '127.0.0.1' })
  const client = openHubClient({ url, token: OPERATOR })
  closing.unshift(client.close)
  return client
}

describe.each(['streamable-http', 'sse'] as const)('an image that speaks MCP over %s', (transport) => {
  test('is spoken for by the hub: its tools are listed and called behind it, and it is given no token', async () => {
    const image = await server(transport)
    await want(1, { port: image.port, transport, path: transport === 'sse' ? '/sse' : '/mcp' })
    const client = await hub()
    await until(async () => (await record('prices-1'))?.state).toBe('healthy')
    expect(await record('prices-1')).toMatchObject({ role: 'prices', replica: 1, byHub: true })
    await until(async () => (await client.tools()).map(({ name }) => name)).toEqual(['prices__quote', 'prices__wait'])
    expect(await client.call('prices__quote', { of: 'WETH' })).toEqual({
      content: [{ type: 'text', text: '{"tool":"quote","of":"WETH"}' }],
    })
    expect(image.asked.length).toBeGreaterThan(2)
    expect(image.asked.filter(({ authorization }) => authorization !== undefined)).toEqual([])
    expect(JSON.stringify(image.asked)).not.toContain(AGENT)
  })

  test('is unhealthy with the reason while it is away, and healthy when it is back; who waits for it is told', async () => {
    const image = await server(transport)
    await want(1, { port: image.port, transport })
    const client = await hub()
    await until(async () => (await client.tools()).length).toBe(2)
    const waiting = client.call('prices__wait', {}).catch((thrown: Error) => thrown.message)
    await until(() => image.called).toEqual(['wait'])
    await image.close()
    expect(await waiting).toMatch(/prices-1 was lost before it answered, the tool may have run/)
    await until(async () => (await record('prices-1'))?.state).toBe('unhealthy')
    expect((await record('prices-1'))?.note).toMatch(/ECONNREFUSED/)
    await until(() => client.call('prices__quote', {}).catch((thrown: Error) => thrown.message)).toContain(
      'prices-1 is unhealthy',
    )
    await server(transport, image.port)
    await until(async () => (await record('prices-1'))?.state).toBe('healthy')
    await until(() => client.call('prices__quote', {}).catch((thrown: Error) => thrown.message)).toMatchObject({
      content: [{ text: '{"tool":"quote"}' }],
    })
    expect(await events()).toEqual(['prices-1 healthy', 'prices-1 unhealthy', 'prices-1 healthy'])
  })
})

test('tools that come and go are seen as soon as the image tells', async () => {
  const image = await server('streamable-http')
  await want(1, { port: image.port })
  const client = await hub()
  await until(async () => (await client.tools()).length).toBe(2)
  await image.setTools(['depth'])
  await until(async () => (await client.tools()).map(({ name }) => name)).toEqual(['prices__depth'])
})

test('a hub that has just started sends nothing to an image that another hub has spoken for', async () => {
  const image = await server('streamable-http')
  const tools = [{ name: 'quote', description: '', inputSchema: { type: 'object' } }]
  const said = { id: 'prices-1', role: 'prices', replica: 1, state: 'healthy', tools, tasksDone: 0, byHub: true }
  const url = `http://127.0.0.1:${image.port}/mcp`
  await fleet.memory.write(keys.agent('prices-1'), { ...said, url, startedAt: now(), at: now() })
  const client = await hub()
  await until(async () => (await client.tools()).length).toBe(1)
  await expect(client.call('prices__quote', {})).rejects.toMatchObject({
    code: 'agent_unreachable',
    message: expect.stringContaining('the hub has no session with it yet'),
  })
  expect(image.asked).toEqual([])
})

test('a replica that is no longer wanted is forgotten at once', async () => {
  const image = await server('streamable-http')
  await want(1, { port: image.port })
  await hub()
  await until(async () => (await record('prices-1'))?.state).toBe('healthy')
  await want(0, { port: image.port })
  await until(() => record('prices-1')).toBeUndefined()
})

test('what never speaks MCP is starting, then unhealthy, with what it says instead', async () => {
  const port = await answering((_request, response) => response.writeHead(500).end('out of order'))
  await want(1, { port }, 1)
  await hub()
  await until(() => record('prices-1')).toMatchObject({ state: 'starting', note: expect.stringContaining('HTTP 500') })
  await until(() => record('prices-1')).toMatchObject({
    state: 'unhealthy',
    note: expect.stringMatching(/out of order/),
  })
})

test('what answers without end, or sends away, harms nobody', async () => {
  const endless = await answering((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const block = 'x'.repeat(1024 * 1024)
    const more = () => {
      while (!response.destroyed && response.write(block));
    }
    response.on('drain', more)
    more()
  })
  await want(1, { port: endless }, 1)
  await hub()
  await until(() => record('prices-1')).toMatchObject({
    state: 'unhealthy',
    note: expect.stringMatching(/longer than/),
  })
  let asked = 0
  const other = await answering((_request, response) => {
    asked += 1
    response.end()
  })
  const away = await answering((_request, response) =>
    response.writeHead(307, { location: `http://127.0.0.1:${other}/mcp` }).end(),
  )
  await want(1, { port: away }, 1)
  await until(async () => (await record('prices-1'))?.note).toMatch(/redirect/i)
  expect(asked).toBe(0)
})

test('tools that are malformed or too many are left out, and it is said', async () => {
  const port = await answering(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const { id, method } = text === '' ? {} : JSON.parse(text)
    if (id === undefined) return response.writeHead(request.method === 'GET' ? 405 : 202).end()
    const tools = [{ name: 'good', inputSchema: { type: 'object' } }, { name: 5 }, 'no tool']
    const results: Record<string, unknown> = {
      initialize: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'x', version: '1' },
      },
      'tools/list': { tools },
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} }))
  })
  await want(1, { port })
  const client = await hub()
  await until(() => record('prices-1')).toMatchObject({
    state: 'healthy',
    note: expect.stringContaining('2 of its tools'),
  })
  await until(async () => (await client.tools()).map(({ name }) => name)).toEqual(['prices__good'])
})
