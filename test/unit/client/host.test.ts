import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, expect, test } from 'vitest'
import { serveControl } from '../../../src/client/host.ts'
import { SocketClient } from '../../../src/client/socket.ts'
import { fakeFleet } from '../../fixtures/fake-client.ts'
import { soon } from '../../fixtures/world.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'ad-host-'))
const ends: (() => Promise<unknown>)[] = []
let sockets = 0
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function serve(): Promise<{ client: SocketClient; socketPath: string }> {
  const socketPath = path.join(folder, `${sockets++}.sock`)
  const host = await serveControl(fakeFleet().client, socketPath)
  const client = await SocketClient.open('test', socketPath)
  ends.push(
    () => client.close(),
    () => host.close(),
  )
  return { client, socketPath }
}

/** A connection that says what it is told to, line by line. */
async function raw(
  socketPath: string,
): Promise<{ say(text: string): void; lines: string[]; closed: Promise<unknown> }> {
  const socket = net.connect(socketPath)
  await once(socket, 'connect')
  const lines: string[] = []
  socket.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trimEnd().split('\n')))
  ends.push(async () => socket.destroy())
  return { say: (text) => socket.write(text), lines, closed: once(socket, 'close') }
}

test('a method that the host does not know is unsupported, and wrong parameters are malformed', async () => {
  const { socketPath } = await serve()
  const { say, lines } = await raw(socketPath)
  say('{"id":1,"method":"explode"}\n{"id":2,"method":"trades","params":{"last":-1}}\n')
  await soon('both answers', () => lines.length === 2)
  const [unknown, wrong] = lines.map((line) => JSON.parse(line))
  expect(unknown).toMatchObject({ id: 1, error: { code: 'unsupported', message: expect.stringContaining('explode') } })
  expect(wrong).toMatchObject({ id: 2, error: { code: 'malformed', message: expect.stringContaining('trades') } })
})

test.each(['not JSON\n', '{"id":"one","method":"snapshot"}\n', '[]\n', '{"method":"snapshot"}\n'])(
  'a line that is no request ends the connection, and nobody else’s: %j',
  async (line) => {
    const { client, socketPath } = await serve()
    const { say, closed } = await raw(socketPath)
    say(line)
    await closed
    expect((await client.snapshot()).fleet).toBe('arbdeck')
  },
)

test('a request may come in pieces', async () => {
  const { socketPath } = await serve()
  const { say, lines } = await raw(socketPath)
  say('{"id":7,"meth')
  await pause(20)
  say('od":"tools"}\n')
  await soon('the answer', () => lines.length === 1)
  expect(JSON.parse(lines[0] ?? '')).toEqual({ id: 7, done: true, result: [] })
})

test('the socket file of a host that died is replaced', async () => {
  const { client, socketPath } = await serve()
  await client.close()
  const again = await serveControl(fakeFleet().client, socketPath)
  ends.push(() => again.close())
  const second = await SocketClient.open('test', socketPath)
  expect((await second.snapshot()).fleet).toBe('arbdeck')
  await second.close()
})
