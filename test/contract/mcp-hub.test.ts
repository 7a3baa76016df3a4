import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openHubClient } from '../../src/client/hub.ts'
import type { History } from '../../src/ports/history/history.ts'
import { openHistory } from '../../src/ports/history/open.ts'
import { keys } from '../../src/protocol/keys.ts'
import { AGENT, OPERATOR, TestFleet } from '../fixtures/hub.ts'

let history: History
let fleet: TestFleet
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  history = await openHistory('pglite:')
})
afterAll(() => history.close())
beforeEach(async () => {
  fleet = await TestFleet.open(history)
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await fleet.close()
})

async function sdkClient(url: string) {
  const client = new Client({ name: 'inspector', version: '0' })
  const headers = { authorization: `Bearer ${OPERATOR}` }
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } })
  await client.connect(transport as unknown as Transport)
  closing.push(() => client.close())
  return client
}
function hubClient(url: string) {
  const client = openHubClient({ url, token: OPERATOR })
  closing.push(client.close)
  return client
}
const until = (check: () => Promise<unknown> | unknown) => expect.poll(check, { timeout: 5_000, interval: 20 })

/** A hub that sees two builders and an executor. */
async function threeAgents() {
  const agents = [await fleet.agent('builder-1'), await fleet.agent('builder-2'), await fleet.agent('executor-1')]
  return { agents, hub: await fleet.startHub() }
}

describe('the hub over MCP, seen by the SDK client', () => {
  test('lists each tool of each role once, and calls it', async () => {
    const { hub } = await threeAgents()
    const client = await sdkClient(hub.url)
    const names = (await client.listTools()).tools.map(({ name }) => name)
    const tools = ['echo', 'refuse', 'slow', 'steps', 'who']
    expect(names).toEqual(['builder', 'executor'].flatMap((role) => tools.map((tool) => `${role}__${tool}`)))
    expect((await client.callTool({ name: 'executor__who' })).structuredContent).toEqual({ id: 'executor-1' })
    const args = { amount: '12345678901234567890', deep: { list: [1, null, 'x'] } }
    expect((await client.callTool({ name: 'builder__echo', arguments: args })).structuredContent).toEqual(args)
    await client.ping()
  })

  test('forwards progress and cancellation', async () => {
    const { hub } = await threeAgents()
    const client = await sdkClient(hub.url)
    const heard: number[] = []
    await client.callTool({ name: 'builder__steps' }, undefined, { onprogress: (p) => heard.push(p.progress) })
    expect(heard).toEqual([1, 2, 3])
    const signal = AbortSignal.timeout(50)
    await expect(client.callTool({ name: 'executor__slow' }, undefined, { signal })).rejects.toThrow()
    await until(async () => (await fleet.audits()).map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/^builder-\d, \d+ ms$/),
      'executor-1: tool_failed: the caller cancelled',
    ])
  })

  test('tells of tools that came and went', async () => {
    const { hub } = await threeAgents()
    const client = await sdkClient(hub.url)
    let changes = 0
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      changes += 1
    })
    await fleet.agent('planner-1')
    await until(() => changes).toBe(1)
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('planner__who')
    await fleet.memory.write(keys.agent('planner-1'), undefined)
    await until(() => changes).toBe(2)
    expect((await client.listTools()).tools.map(({ name }) => name)).not.toContain('planner__who')
  })
})

describe('who may ask the hub', () => {
  test('nobody without the operator token, nor with the token of the agents, nor a web page', async () => {
    const { hub } = await threeAgents()
    const ask = async (path: string, headers: Record<string, string>) =>
      (await fetch(`${hub.url}${path}`, { headers })).status
    const bearer = { authorization: `Bearer ${OPERATOR}` }
    for (const path of ['/mcp', '/api/agents', '/api/records/trade', '/api/events', '/metrics']) {
      expect(await ask(path, {}), path).toBe(401)
      expect(await ask(path, { authorization: `Bearer ${AGENT}` }), path).toBe(401)
      expect(await ask(path, { ...bearer, origin: 'https://evil.example' }), path).toBe(403)
    }
    expect(await ask('/api/agents', { ...bearer, origin: 'http://127.0.0.1:8080' })).toBe(200)
    expect(await ask('/health', {})).toBe(200)
    expect(await ask('/api/health', {})).toBe(200)
    await until(async () => (await fleet.audits()).length).toBe(15)
    const denied = await fleet.audits()
    expect(denied.every((row) => row.action === 'access' && row.outcome === 'refused')).toBe(true)
  })
})

describe('the hub client', () => {
  test('names the nearest tool, and says when a role has no agent', async () => {
    const { hub } = await threeAgents()
    const client = hubClient(hub.url)
    await expect(client.call('builder__woh', {})).rejects.toMatchObject({
      code: 'tool_unknown',
      remedy: expect.stringContaining('builder__who'),
    })
    await expect(client.call('planner__plan_trade', {})).rejects.toMatchObject({
      code: 'agent_unreachable',
      remedy: expect.stringContaining('arbdeck scale planner=+1'),
    })
  })

  test('throws what the tool said, as the tool said it', async () => {
    const { hub } = await threeAgents()
    await expect(hubClient(hub.url).call('builder__refuse', {})).rejects.toMatchObject({
      code: 'chain_refused',
      message: 'the node said no',
      remedy: 'Ask another node.',
    })
  })

  test('lists tools with both schemas', async () => {
    const { hub } = await threeAgents()
    const who = (await hubClient(hub.url).tools()).find(({ name }) => name === 'executor__who')
    expect(who?.outputSchema).toEqual({ type: 'object', properties: { id: { type: 'string' } } })
  })

  test('says that the hub does not answer, or does not know the token', async () => {
    const { hub } = await threeAgents()
    const stranger = openHubClient({ url: hub.url, token: 'another' })
    closing.push(stranger.close)
    await expect(stranger.tools()).rejects.toMatchObject({
      code: 'hub_unreachable',
      message: expect.stringContaining('token'),
    })
    const client = hubClient(hub.url)
    expect(await client.health()).toBe(true)
    await hub.close()
    expect(await client.health()).toBe(false)
    await expect(client.tools()).rejects.toMatchObject({ code: 'hub_unreachable', transient: true })
    await expect(client.records('trade')).rejects.toMatchObject({ code: 'hub_unreachable' })
  })

  test('goes on after the hub was restarted', async () => {
    const { hub } = await threeAgents()
    const client = hubClient(hub.url)
    await client.call('builder__who', {})
    await hub.close()
    await fleet.startHub({ port: hub.port })
    await until(() => client.call('executor__who', {}).catch(() => undefined)).toEqual({ id: 'executor-1' })
  })
})

describe('the audit', () => {
  test('has one row a call, also for those refused', async () => {
    const { hub } = await threeAgents()
    const client = hubClient(hub.url)
    const names = ['builder__who', 'builder__refuse', 'nothing__here', 'planner__who', 'executor__who', 'builder__echo']
    for (const name of names) await client.call(name, {}).catch(() => undefined)
    await until(async () => (await fleet.audits()).length).toBe(names.length)
    const rows = (await client.records('audit', { limit: names.length })).map(({ body }) => body)
    expect(rows.map(({ target }) => target)).toEqual(names)
    expect(rows.map(({ outcome }) => outcome)).toEqual(['ok', 'failed', 'refused', 'refused', 'ok', 'ok'])
    expect(rows.every(({ action, by }) => action === 'call' && by === 'operator (arbdeck)')).toBe(true)
    expect(await fleet.memory.stream('audit').read()).toHaveLength(names.length)
  })
})
