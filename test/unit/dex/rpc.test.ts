import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { jsonFrames } from '../../../agent/dex/rpc/frames.ts'
import { openRpc, type Rpc, type RpcOptions } from '../../../agent/dex/rpc.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})
const open = async (url: string, options?: RpcOptions): Promise<Rpc> => {
  const rpc = await openRpc(url, options)
  cleanups.push(() => rpc.close())
  return rpc
}

interface Asked {
  id: number
  method: string
  params: unknown[]
}
/** A node that answers as told over WebSocket; undefined leaves a call unanswered. */
async function fakeNode(answer: (asked: Asked) => unknown, port = 0) {
  const server = new WebSocketServer({ host: '127.0.0.1', port })
  await new Promise((resolve) => server.once('listening', resolve))
  const asked: Asked[] = []
  server.on('connection', (socket) =>
    socket.on('message', (text) => {
      const call: Asked = JSON.parse(text.toString())
      asked.push(call)
      const said = answer(call)
      if (said !== undefined) socket.send(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...(said as object) }))
    }),
  )
  const { port: at } = server.address() as { port: number }
  const send = (value: unknown) => {
    for (const client of server.clients) client.send(JSON.stringify(value))
  }
  const drop = () => {
    for (const client of server.clients) client.terminate()
  }
  const stop = () =>
    new Promise<void>((resolve) => {
      drop()
      server.close(() => resolve())
    })
  cleanups.push(stop)
  return { url: `ws://127.0.0.1:${at}`, port: at, asked, send, drop, stop }
}
const notification = (subscription: string, result: unknown) => ({
  jsonrpc: '2.0',
  method: 'eth_subscription',
  params: { subscription, result },
})
const subscribing = (call: Asked) =>
  call.method === 'eth_subscribe' ? { result: `0x${call.id}` } : { result: call.method }

async function until(ask: () => boolean): Promise<void> {
  const end = Date.now() + 5_000
  while (!ask()) {
    if (Date.now() > end) throw new Error('it did not happen within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a node’s refusal is an RpcError with its code, message and data', async () => {
  const error = { code: 3, message: 'execution reverted', data: '0x1234' }
  const node = await fakeNode(() => ({ error }))
  const rpc = await open(node.url)
  await expect(rpc.request('eth_call')).rejects.toMatchObject({ name: 'RpcError', method: 'eth_call', ...error })
})

test('nobody there, no answer in time and a connection lost under way are chain_unreachable, without the URL’s secrets', async () => {
  const transient = { code: 'chain_unreachable', transient: true }
  await expect(openRpc('ws://user:secret@127.0.0.1:9/key')).rejects.toMatchObject(transient)
  await expect(openRpc('ws://user:secret@127.0.0.1:9/key')).rejects.not.toThrow(/secret|key/)
  await expect(openRpc('http://127.0.0.1:9')).rejects.toMatchObject(transient)
  await expect(openRpc(`ipc:${join(tmpdir(), 'no-such.ipc')}`)).rejects.toMatchObject(transient)
  const node = await fakeNode(() => undefined)
  const rpc = await open(node.url, { timeoutMs: 200 })
  await expect(rpc.request('eth_chainId')).rejects.toMatchObject(transient)
  const underWay = rpc.request('eth_chainId')
  setTimeout(node.drop, 20)
  await expect(underWay).rejects.toMatchObject(transient)
})

test('another kind of URL is a configuration fault', async () => {
  for (const url of ['ftp://host', 'nonsense', '']) {
    await expect(openRpc(url)).rejects.toMatchObject({ code: 'config_invalid' })
  }
})

test('after the node was away, calls that waited go through and the subscription goes on', async () => {
  const node = await fakeNode(subscribing)
  const rpc = await open(node.url, { timeoutMs: 5_000 })
  const heads: unknown[] = []
  await rpc.subscribe(['newHeads'], (head) => heads.push(head))
  await node.stop()
  await new Promise((resolve) => setTimeout(resolve, 50))
  const waiting = rpc.request('eth_chainId')
  const again = await fakeNode(subscribing, node.port)
  await expect(waiting).resolves.toBe('eth_chainId')
  await until(() => again.asked.some((call) => call.method === 'eth_subscribe'))
  const { id } = again.asked.find((call) => call.method === 'eth_subscribe') as Asked
  again.send(notification(`0x${id}`, 'after'))
  await until(() => heads.length > 0)
  expect(heads).toEqual(['after'])
})

test('a notification right behind the answer to eth_subscribe is not lost, and none comes after the end', async () => {
  const node = await fakeNode((call) => {
    if (call.method !== 'eth_subscribe') return { result: true }
    queueMicrotask(() => node.send(notification('0x7', 'first')))
    return { result: '0x7' }
  })
  const rpc = await open(node.url)
  const heads: unknown[] = []
  const unsubscribe = await rpc.subscribe(['newHeads'], (head) => heads.push(head))
  await until(() => heads.length === 1)
  await unsubscribe()
  node.send(notification('0x7', 'late'))
  await rpc.request('eth_chainId')
  expect(heads).toEqual(['first'])
  expect(node.asked.map((call) => call.method)).toContain('eth_unsubscribe')
})

test('a connection that has gone silent is given up and opened again', async () => {
  let silent = true
  const node = await fakeNode(() => (silent ? undefined : { result: 1 }))
  const rpc = await open(node.url, { timeoutMs: 150 })
  await expect(rpc.request('eth_chainId')).rejects.toMatchObject({ code: 'chain_unreachable' })
  silent = false
  await expect(rpc.request('eth_chainId')).resolves.toBe(1)
})

test('JSON on an IPC socket is cut right, with or without anything between, wherever the chunks end', () => {
  const values = [{ a: '}{"\\', b: [1, { c: '[' }] }, [1, 2], { text: 'ä€"}' }]
  for (const separator of ['', '\n', '\r\n ']) {
    const bytes = Buffer.from(values.map((value) => JSON.stringify(value)).join(separator))
    for (let size = 1; size <= bytes.length; size++) {
      const frames = jsonFrames()
      const texts: string[] = []
      for (let at = 0; at < bytes.length; at += size) texts.push(...frames(bytes.subarray(at, at + size)))
      expect(texts.map((text) => JSON.parse(text))).toEqual(values)
    }
  }
})

test('over IPC calls are answered and matched, also out of order', async () => {
  const path = join(tmpdir(), `arbdeck-rpc-${process.pid}.ipc`)
  const server: Server = createServer((socket: Socket) => {
    const frames = jsonFrames()
    socket.on('data', (chunk) => {
      const calls = frames(chunk).map((text): Asked => JSON.parse(text))
      for (const { id, method } of calls.reverse()) socket.write(JSON.stringify({ jsonrpc: '2.0', id, result: method }))
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  cleanups.push(() => server.close())
  const rpc = await open(`ipc:${path}`)
  expect(await Promise.all(['a', 'b', 'c'].map((method) => rpc.request(method)))).toEqual(['a', 'b', 'c'])
})

test('what is asked in one turn arrives in one piece, and equal reads of a block as one; what changes something never', async () => {
  const chunks: string[][] = []
  const path = join(tmpdir(), `arbdeck-rpc-turn-${process.pid}.ipc`)
  const server: Server = createServer((socket: Socket) => {
    const frames = jsonFrames()
    socket.on('data', (chunk) => {
      const calls = frames(chunk).map((text): Asked => JSON.parse(text))
      chunks.push(calls.map(({ method, params }) => [method, ...params].join(' ')))
      for (const { id } of calls) socket.write(JSON.stringify({ jsonrpc: '2.0', id, result: chunks.length }))
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  cleanups.push(() => server.close())
  const rpc = await open(`ipc:${path}`)
  const block = (number: string) => rpc.request('eth_getBlockByNumber', [number, false])
  const send = () => rpc.request('eth_sendRawTransaction', ['0x'])
  await Promise.all([block('latest'), block('latest'), block('0x1'), send(), send()])
  expect(await block('latest')).toBe(2)
  const sending = 'eth_sendRawTransaction 0x'
  const head = 'eth_getBlockByNumber latest false'
  expect(chunks).toEqual([[head, 'eth_getBlockByNumber 0x1 false', sending, sending], [head]])
})

test('over HTTP heads are polled, the blocks between two looks too; what is no node says so', async () => {
  let head = 5
  const server = createHttpServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { id, method, params }: Asked = JSON.parse(body)
      const number = params[0] === 'latest' ? head : Number(params[0])
      const block = { number: `0x${number.toString(16)}`, hash: `0xhash${number}` }
      response.end(
        method === 'web' ? '<html>' : JSON.stringify({ id, result: method === 'eth_chainId' ? '0x1' : block }),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => server.close())
  const rpc = await open(`http://127.0.0.1:${(server.address() as { port: number }).port}`, { pollMs: 10 })
  const heads: number[] = []
  const unsubscribe = await rpc.subscribe(['newHeads'], (seen) =>
    heads.push(Number((seen as { number: string }).number)),
  )
  await until(() => heads.length === 1)
  head = 8
  await until(() => heads.length === 4)
  await unsubscribe()
  expect(heads).toEqual([5, 6, 7, 8])
  await expect(rpc.request('web')).rejects.toMatchObject({ code: 'chain_unreachable' })
  await expect(rpc.subscribe(['logs'], () => undefined)).rejects.toMatchObject({ code: 'unsupported' })
})

test('close lets the process end, also while the node is away', async () => {
  const node = await fakeNode(subscribing)
  const rpc = new URL('../../../agent/dex/rpc.ts', import.meta.url).pathname
  const contents = `import { openRpc } from ${JSON.stringify(rpc)}
    openRpc(process.argv[2]).then(async (rpc) => {
      await rpc.subscribe(['newHeads'], () => {})
      await rpc.request('go away').catch(() => {})
      setTimeout(() => rpc.close(), 50)
    })`
  const outfile = join(tmpdir(), `arbdeck-rpc-${process.pid}.cjs`)
  const { build } = await import('esbuild')
  await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    platform: 'node',
    outfile,
    logLevel: 'error',
  })
  cleanups.push(() => rm(outfile, { force: true }))
  const child = spawn(process.execPath, [outfile, node.url], { stdio: 'inherit' })
  cleanups.push(() => child.kill())
  const exited = new Promise((resolve) => child.once('exit', resolve))
  await until(() => node.asked.some((call) => call.method === 'go away'))
  await node.stop()
  expect(await exited).toBe(0)
})
