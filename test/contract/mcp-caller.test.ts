import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type McpTool, serveMcp } from '../../agent/mcp.ts'
import { openCaller } from '../../src/mcp/caller.ts'

const TOKEN = 'a-token-of-the-test'
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const cancelled: string[] = []
const tool = (name: string, call: McpTool['call']): McpTool => ({
  name,
  description: name,
  inputSchema: { type: 'object' },
  call,
})
const tools: McpTool[] = [
  tool('count', async (_args, _signal, progress) => {
    for (const done of [1, 2, 3]) progress(done, 3)
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

async function agent(port = 0) {
  const serving = await serveMcp({ name: 'builder-1', version: '1', host: '127.0.0.1', port, token: TOKEN, tools })
  closing.push(serving.close)
  return serving
}

function caller(url: string) {
  const opened = openCaller({ url, token: TOKEN, name: 'test', version: '0' })
  closing.push(opened.close)
  return opened
}

describe('the lean caller', () => {
  test('calls, hears progress, and cancels', async () => {
    const lean = caller((await agent()).url)
    const heard: number[] = []
    const counted = await lean.request(
      'tools/call',
      { name: 'count', arguments: {} },
      {
        onProgress: ({ progress }) => heard.push(progress),
      },
    )
    expect(counted).toMatchObject({ kind: 'result', result: { structuredContent: { done: 3 } } })
    expect(heard).toEqual([1, 2, 3])
    cancelled.length = 0
    const signal = AbortSignal.timeout(50)
    expect(await lean.request('tools/call', { name: 'wait', arguments: {} }, { signal })).toEqual({ kind: 'aborted' })
    await expect.poll(() => cancelled).toEqual(['wait'])
  })

  test('opens a new session when the agent has restarted on the same port', async () => {
    const first = await agent()
    const lean = caller(first.url)
    expect((await lean.request('tools/list', {})).kind).toBe('result')
    await first.close()
    // A request on a connection whose end has not arrived yet may have run: that is `lost`, not `unsent`.
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await lean.request('tools/list', {})).kind).toBe('unsent')
    await agent(first.port)
    expect((await lean.request('tools/list', {})).kind).toBe('result')
  })

  test('knows that a request may have run when the connection breaks after it was sent', async () => {
    const { url } = await agent()
    const breaking = createServer((request, response) => {
      const forward = httpRequest(url, { method: request.method, headers: request.headers }, (answer) => {
        if (lists > 0) return request.socket.destroy()
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      let lists = 0
      request.on('data', (chunk: Buffer) => {
        if (chunk.includes('tools/list')) lists += 1
      })
      request.pipe(forward)
    })
    await new Promise<void>((resolve) => breaking.listen(0, '127.0.0.1', resolve))
    closing.push(async () => void breaking.close().closeAllConnections())
    const { port } = breaking.address() as AddressInfo
    expect(await caller(`http://127.0.0.1:${port}/mcp`).request('tools/list', {})).toMatchObject({ kind: 'lost' })
  })

  test('tells a refusal from an answer', async () => {
    const { url } = await agent()
    const stranger = openCaller({ url, token: 'another', name: 'test', version: '0' })
    closing.push(stranger.close)
    expect(await stranger.request('tools/list', {})).toMatchObject({ kind: 'refused', status: 401 })
    expect(await caller(url).request('tools/call', { name: 'nothing' })).toMatchObject({ kind: 'error', code: -32602 })
  })
})
