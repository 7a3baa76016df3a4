import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterEach, expect, test } from 'vitest'
import { openRpc } from '../../../agent/dex/rpc.ts'
import { type Anvil, startAnvil } from '../../../agent/sandbox/anvil.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { processesOf } from '../../fixtures/processes.ts'

const started: Anvil[] = []
const start = async (...[options]: Parameters<typeof startAnvil>): Promise<Anvil> => {
  const anvil = await startAnvil(options)
  started.push(anvil)
  return anvil
}
afterEach(() => Promise.all(started.splice(0).map((anvil) => anvil.stop())))

async function until(holds: () => boolean, ms = 5_000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) if (holds()) return true
  return holds()
}

test('answers on a free port and on its socket, mines only when told, and knows no account', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'test-anvil-'))
  const ipcPath = join(folder, 'anvil.ipc')
  const anvil = await start({ ipcPath, chainId: 4242 })
  for (const url of [`ws://127.0.0.1:${anvil.port}`, `http://127.0.0.1:${anvil.port}`, `ipc:${ipcPath}`]) {
    const rpc = await openRpc(url)
    expect(await rpc.request('eth_chainId')).toBe('0x1092')
    expect(await rpc.request('eth_accounts')).toEqual([])
    expect(await rpc.request('eth_blockNumber')).toBe('0x0')
    rpc.close()
  }
  await anvil.stop()
  expect(await anvil.ended).toMatchObject({ code: expect.anything() })
  await rm(folder, { recursive: true })
})

test('carries the name of its fleet in its arguments, and nothing of it is left when it was stopped', async () => {
  const anvil = await start({ fleet: 'test-anvil-named' })
  expect(processesOf('test-anvil-named').length).toBeGreaterThanOrEqual(1)
  await Promise.all([anvil.stop(), anvil.stop()])
  expect(await until(() => processesOf('test-anvil-named').length === 0)).toBe(true)
})

test('says when it dies by itself', async () => {
  const anvil = await start({ fleet: 'test-anvil-dies' })
  for (const pid of processesOf('http://test-anvil-dies.invalid', 'anvil')) process.kill(pid, 'SIGKILL')
  const end = await anvil.ended
  expect(end.code === 0).toBe(false)
  expect(await until(() => processesOf('test-anvil-dies').length === 0)).toBe(true)
})

test.runIf(existsSync('/bin/sh'))('dies too when the shell that watches over it is killed', async () => {
  const anvil = await start({ fleet: 'test-anvil-shell' })
  process.kill(anvil.pid, 'SIGKILL')
  await anvil.ended
  expect(await until(() => processesOf('test-anvil-shell').length === 0)).toBe(true)
})

test.runIf(existsSync('/bin/sh'))('one that does not hear SIGTERM is ended all the same', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'test-deaf-'))
  const binary = join(folder, 'anvil')
  const script = '#!/bin/sh\ntrap "" TERM\necho "Listening on 127.0.0.1:1"\nexec tail -f /dev/null\n'
  await writeFile(binary, script, { mode: 0o755 })
  const anvil = await start({ binary })
  await anvil.stop()
  expect(await until(() => processesOf(binary).length === 0)).toBe(true)
  await rm(folder, { recursive: true })
})

test('ends when its signal aborts', async () => {
  const abort = new AbortController()
  const anvil = await start({ signal: abort.signal })
  abort.abort()
  await anvil.ended
  await expect(startAnvil({ signal: abort.signal })).rejects.toThrow(/abort/)
})

test('a port that is taken is refused by name, a binary that is not there and a socket path that is too long too', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => holder.once('listening', resolve))
  const { port } = holder.address() as { port: number }
  await expect(startAnvil({ port })).rejects.toMatchObject({
    code: 'port_taken',
    message: expect.stringContaining(`127.0.0.1:${port}`),
  })
  holder.close()
  const long = startAnvil({ ipcPath: `/tmp/${'x'.repeat(100)}` })
  await expect(long).rejects.toMatchObject({ code: 'config_invalid' })
  const missing = await startAnvil({ binary: '/nowhere/anvil' }).catch((error: unknown) => error)
  expect(missing).toBeInstanceOf(FleetError)
  expect((missing as FleetError).message).toContain('/nowhere/anvil')
})

test.runIf(process.platform === 'linux').each(['SIGKILL', 'SIGTERM'] as const)(
  'does not outlive a parent that ends by %s',
  async (signal) => {
    const folder = await mkdtemp(join(tmpdir(), 'test-anvil-'))
    const outfile = join(folder, 'orphan.mjs')
    const fleet = `test-orphan-${signal.toLowerCase()}`
    const entry = fileURLToPath(new URL('../../fixtures/orphan-anvil.ts', import.meta.url))
    const banner = { js: 'import { createRequire as r } from "node:module"; const require = r(import.meta.url);' }
    const define = { 'import.meta.url': JSON.stringify(import.meta.url) }
    await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', banner, define })
    const parent = spawn(process.execPath, [outfile, fleet], { stdio: ['ignore', 'pipe', 'inherit'] })
    await firstLine(parent)
    expect(processesOf(`http://${fleet}.invalid`).length).toBeGreaterThanOrEqual(1)
    parent.kill(signal)
    expect(await until(() => processesOf(fleet).length === 0)).toBe(true)
    await rm(folder, { recursive: true })
  },
)

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    child.once('exit', () => reject(new Error('it ended before it said anything')))
  })
}
