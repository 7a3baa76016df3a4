import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterEach, describe, expect, test } from 'vitest'
import { type McpTool, serveMcp } from '../../agent/mcp.ts'
import { openCaller } from '../../src/mcp/caller.ts'
import { FleetError } from '../../src/protocol/errors.ts'

const TOKEN = 'a-token-of-the-test'
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const schema = (properties: Record<string, unknown>, required: string[] = []) => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties,
  required,
})
const tool = (name: string, call: McpTool['call'], input = schema({})): McpTool => ({
  name,
  description: `${name} of the test`,
  inputSchema: input,
  call,
})

const cancelled: string[] = []
const tools: McpTool[] = [
  {
    ...tool('double', async ({ n }) => ({ twice: BigInt(n as string) * 2n }), schema({ n: { type: 'string' } }, ['n'])),
    outputSchema: schema({ twice: { type: 'string' } }, ['twice']),
  },
  tool('list', async () => [1, 2]),
  tool('refuse', async () => {
    throw new FleetError('chain_refused', 'the node said no', { remedy: 'Ask another node.', cause: 'a secret' })
  }),
  tool('break', async () => {
    throw new TypeError('undefined is not a trade')
  }),
  tool('count', async (_args, _signal, progress) => {
    for (const done of [1, 2, 3]) progress(done, 3, `step ${done}`)
    return { done: 3 }
  }),
  tool('wait', (_args, signal) => {
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        cancelled.push('wait')
        resolve({})
      })
    })
  }),
]

async function agent() {
  const serving = await serveMcp({
    name: 'builder-1',
    version: '1.2.3',
    host: '127.0.0.1',
    port: 0,
    token: TOKEN,
    tools,
  })
  closing.push(serving.close)
  return serving
}

async function sdkClient(url: string) {
  const client = new Client({ name: 'test', version: '0' })
  const headers = { authorization: `Bearer ${TOKEN}` }
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } })
  await client.connect(transport as unknown as Transport)
  closing.push(() => client.close())
  return client
}

function caller(url: string) {
  const opened = openCaller({ url, token: TOKEN, name: 'test', version: '0' })
  closing.push(opened.close)
  return opened
}

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '0' } },
}
const rawPost = (url: string, headers: Record<string, string>, body: unknown = initialize) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const bearer = { authorization: `Bearer ${TOKEN}` }

describe('an agent over MCP, seen by the SDK client', () => {
  test('names itself and lists its tools with their schemas', async () => {
    const client = await sdkClient((await agent()).url)
    expect(client.getServerVersion()).toEqual({ name: 'builder-1', version: '1.2.3' })
    const listed = (await client.listTools()).tools
    expect(listed.map((t) => t.name)).toEqual(tools.map((t) => t.name))
    expect(listed[0]?.inputSchema).toEqual(tools[0]?.inputSchema)
    expect(listed[0]?.outputSchema).toEqual(tools[0]?.outputSchema)
    await client.ping()
  })

  test('gives a result as structured content and as text, amounts as decimal strings', async () => {
    const client = await sdkClient((await agent()).url)
    await client.listTools() // so that the client checks the result against the output schema
    const result = await client.callTool({ name: 'double', arguments: { n: '9007199254740993' } })
    expect(result.structuredContent).toEqual({ twice: '18014398509481986' })
    expect(result.content).toEqual([{ type: 'text', text: '{"twice":"18014398509481986"}' }])
    expect((await client.callTool({ name: 'list' })).structuredContent).toEqual({ value: [1, 2] })
  })

  test('says what failed and what to do, without cause and without a stack', async () => {
    const client = await sdkClient((await agent()).url)
    const refused = await client.callTool({ name: 'refuse' })
    expect(refused.isError).toBe(true)
    const text = (refused.content as { text: string }[])[0]?.text ?? ''
    expect(JSON.parse(text)).toEqual({
      error: { code: 'chain_refused', message: 'the node said no', remedy: 'Ask another node.' },
    })
    const broken = JSON.stringify(await client.callTool({ name: 'break' }))
    expect(broken).toContain('internal')
    expect(broken).not.toMatch(/ at .*\.ts/)
  })

  test('refuses input that its schema does not allow, without running the tool', async () => {
    const client = await sdkClient((await agent()).url)
    const result = await client.callTool({ name: 'double', arguments: { n: 3 } })
    expect(result.isError).toBe(true)
    expect(JSON.stringify(result.content)).toContain('must be string')
    await expect(client.callTool({ name: 'nothing' })).rejects.toThrow('Unknown tool: nothing')
  })

  test('tells progress and hears a cancellation', async () => {
    const client = await sdkClient((await agent()).url)
    const heard: number[] = []
    await client.callTool({ name: 'count' }, undefined, { onprogress: (p) => heard.push(p.progress) })
    expect(heard).toEqual([1, 2, 3])
    cancelled.length = 0
    const abort = new AbortController()
    const waiting = client.callTool({ name: 'wait' }, undefined, { signal: abort.signal })
    setTimeout(() => abort.abort(), 50)
    await expect(waiting).rejects.toThrow()
    await expect.poll(() => cancelled).toEqual(['wait'])
  })
})

describe('who may ask an agent', () => {
  test('nobody without the token, and nobody from a web page', async () => {
    const { url } = await agent()
    const without = await rawPost(url, {})
    expect(without.status).toBe(401)
    expect(without.headers.get('www-authenticate')).toMatch(/^Bearer/)
    expect((await rawPost(url, { authorization: 'Bearer another' })).status).toBe(401)
    expect((await rawPost(url, { ...bearer, origin: 'http://evil.example' })).status).toBe(403)
    expect((await rawPost(url, { ...bearer, origin: 'null' })).status).toBe(403)
    expect((await rawPost(url, { ...bearer, origin: 'http://localhost:5173' })).status).toBe(200)
  })

  test('anybody may ask for its health, and learns nothing else', async () => {
    const { url } = await agent()
    const health = await fetch(url.replace('/mcp', '/health'))
    expect(await health.json()).toEqual({ ok: true })
  })

  test('a body too long, not JSON, of no session or of an unknown one is refused', async () => {
    const { url } = await agent()
    expect((await rawPost(url, bearer, 'x'.repeat(4 * 1024 * 1024 + 1))).status).toBe(413)
    expect((await rawPost(url, bearer, '{')).status).toBe(400)
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    expect((await rawPost(url, bearer, list)).status).toBe(400)
    expect((await rawPost(url, { ...bearer, 'mcp-session-id': 'none' }, list)).status).toBe(404)
    expect((await fetch(url, { method: 'PUT', headers: bearer })).status).toBe(405)
  })

  test('a session that was ended is gone', async () => {
    const { url } = await agent()
    const id = (await rawPost(url, bearer)).headers.get('mcp-session-id') ?? ''
    const headers = { ...bearer, 'mcp-session-id': id }
    expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(200)
    expect((await rawPost(url, headers, { jsonrpc: '2.0', id: 2, method: 'ping' })).status).toBe(404)
  })
})

describe('sessions', () => {
  const begin = async (url: string) => {
    const response = await rawPost(url, bearer)
    await response.text()
    return { status: response.status, id: response.headers.get('mcp-session-id') ?? '' }
  }
  const ping = async (url: string, id: string) => {
    const response = await rawPost(url, { ...bearer, 'mcp-session-id': id }, { jsonrpc: '2.0', id: 2, method: 'ping' })
    await response.text()
    return response.status
  }

  test('are bounded: the one that is idle longest makes room, and its client is told to begin anew', async () => {
    const { url } = await agent()
    const first = await begin(url)
    const second = await begin(url)
    for (let i = 2; i < 64; i++) await begin(url)
    expect(await ping(url, first.id)).toBe(200)
    const last = await begin(url)
    expect(await ping(url, second.id)).toBe(404)
    expect(await ping(url, first.id)).toBe(200)
    expect(await ping(url, last.id)).toBe(200)
  })

  test('that are all in use leave no room', async () => {
    const { url } = await agent()
    const abort = new AbortController()
    for (let i = 0; i < 64; i++) {
      const { id } = await begin(url)
      const headers = { ...bearer, accept: 'text/event-stream', 'mcp-session-id': id }
      expect((await fetch(url, { headers, signal: abort.signal })).status).toBe(200)
    }
    expect((await begin(url)).status).toBe(503)
    abort.abort()
    await expect.poll(async () => (await begin(url)).status).toBe(200)
  })
})

describe('ports', () => {
  test('a taken port is an error, or another one is taken where that is allowed', async () => {
    const { port } = await agent()
    const again = { name: 'x', version: '0', host: '127.0.0.1', port, token: TOKEN, tools: [] }
    await expect(serveMcp(again)).rejects.toMatchObject({ code: 'port_taken' })
    const other = await serveMcp({ ...again, fallback: true })
    closing.push(other.close)
    expect(other.port).not.toBe(port)
  })

  test('closing ends calls and open streams at once', async () => {
    const serving = await agent()
    const waiting = caller(serving.url).request('tools/call', { name: 'wait', arguments: {} })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const began = performance.now()
    await serving.close()
    expect(performance.now() - began).toBeLessThan(1000)
    expect((await waiting).kind).not.toBe('result')
  })
})
