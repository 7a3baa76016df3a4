import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { processStart } from '../../../src/client/process-start.ts'
import { type FleetFile, StateFolder, stateBase } from '../../../src/client/state.ts'
import { bundleScript } from '../../fixtures/bundle.ts'

const base = mkdtempSync(path.join(tmpdir(), 'ad-state-'))
const children: ChildProcess[] = []
let script = ''
let made = 0

beforeAll(async () => {
  script = await bundleScript(new URL('../../fixtures/lock-state.ts', import.meta.url))
})
afterEach(async () => {
  for (const child of children.splice(0)) await killed(child)
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

const folder = (name = `fleet-${made++}`): StateFolder => new StateFolder(name, base)
const mode = (file: string): number => statSync(file).mode & 0o777

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/**
 * A process that takes the locks of `NAME-0`, `NAME-1`, …, from a time on, and lives on.
 * @returns it, and the numbers of those that it got
 */
async function takes(name: string, count = 1, startAt = 0): Promise<{ child: ChildProcess; got: number[] }> {
  const args = [script, base, name, String(count), String(startAt)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const [said] = await once(child.stdout as NodeJS.ReadableStream, 'data')
  return { child, got: JSON.parse(String(said)) }
}

describe('the lock', () => {
  test('is had by one process, and the next is told by which', async () => {
    const first = await takes('shared')
    expect(first.got).toEqual([0])
    expect((await takes('shared')).got).toEqual([])
    const here = new StateFolder('shared-0', base)
    expect(here.holder()).toBe(first.child.pid)
    expect(here.lock()).toEqual({ pid: first.child.pid })
  })

  test.each(['fresh', 'left by a dead process'])(
    'is had by one of two that take it at the same time: %s',
    async (how) => {
      const name = `race-${made++}`
      const count = 60
      const dead = JSON.stringify({ pid: 2 ** 22 + 1, start: '1' })
      if (how !== 'fresh') for (let i = 0; i < count; i++) new StateFolder(`${name}-${i}`, base).write('lock', dead)
      const startAt = Date.now() + 400
      const [first, second] = await Promise.all([takes(name, count, startAt), takes(name, count, startAt)])
      const all = [...(first?.got ?? []), ...(second?.got ?? [])].sort((a, b) => a - b)
      expect(all).toEqual(Array.from({ length: count }, (_, i) => i))
    },
  )

  test('of a process that was killed is free', async () => {
    const { child } = await takes('killed')
    await killed(child)
    const here = new StateFolder('killed-0', base)
    expect(here.holder()).toBeUndefined()
    expect(here.lock()).toHaveProperty('release')
    expect(here.holder()).toBe(process.pid)
  })

  test('is free again when it is released, and only its owner can read it', () => {
    const here = folder()
    const lock = here.lock()
    expect(mode(here.file('lock'))).toBe(0o600)
    if ('release' in lock) lock.release()
    expect(here.holder()).toBeUndefined()
    expect(here.lock()).toHaveProperty('release')
  })

  test('of a pid that is another process by now does not count', () => {
    const here = folder()
    here.write('lock', JSON.stringify({ pid: process.pid, start: '1' }))
    expect(here.holder()).toBeUndefined()
    expect(here.lock()).toHaveProperty('release')
    here.write('lock', JSON.stringify({ pid: process.pid, start: processStart(process.pid) }))
    expect(here.lock()).toEqual({ pid: process.pid })
  })

  test.each(['', '{}', 'not JSON', '{"pid":1.5,"start":null}'])('that says nothing is nobody’s: %j', (text) => {
    const here = folder()
    here.write('lock', text)
    expect(here.holder()).toBeUndefined()
    expect(here.lock()).toHaveProperty('release')
  })
})

describe('when a process began', () => {
  test('stays the same for one process and is nothing for none', async () => {
    expect(processStart(process.pid)).toMatch(/\S/)
    expect(processStart(process.pid)).toBe(processStart(process.pid))
    expect(processStart(2 ** 22 + 1)).toBeNull()
  })

  test('tells two processes apart, and a dead one from a live one', async () => {
    const { child } = await takes('young')
    const pid = child.pid ?? 0
    expect(processStart(pid)).not.toBe(processStart(process.pid))
    await killed(child)
    expect(processStart(pid)).toBeNull()
  })
})

const fleetFile: FleetFile = {
  version: 1,
  fleet: 'test',
  engine: 'embedded',
  docker: null,
  hubUrl: null,
  memoryUrl: null,
  chain: 'sandbox',
  chainId: 31337,
  manifestHash: 'abc',
  controlSocket: null,
  startedAt: '2026-01-01T00:00:00.000Z',
}

describe('fleet.json', () => {
  test('comes back as it was written, and is nothing before', () => {
    const here = folder()
    expect(here.fleetFile()).toBeUndefined()
    here.writeFleetFile(fleetFile)
    expect(here.fleetFile()).toEqual(fleetFile)
  })

  test.each([
    ['cut off', JSON.stringify(fleetFile).slice(0, 40)],
    ['empty', ''],
    ['of another version', JSON.stringify({ ...fleetFile, version: 2 })],
    ['without its engine', JSON.stringify({ ...fleetFile, engine: undefined })],
  ])('that is %s is a stale state, with the command that mends it', (_what, text) => {
    const here = folder()
    here.write('fleet.json', text)
    expect(() => here.fleetFile()).toThrowError(
      expect.objectContaining({
        code: 'state_stale',
        message: expect.stringContaining(here.file('fleet.json')),
        remedy: expect.stringContaining(`arbdeck down --fleet ${here.fleet} --volumes`),
      }),
    )
  })
})

describe('the folder', () => {
  test('is the user’s alone, also when it was there with more rights, and so are its files', () => {
    const here = folder()
    mkdirSync(here.dir, { mode: 0o755 })
    here.make()
    expect(mode(here.dir)).toBe(0o700)
    here.write('note', 'text')
    expect(mode(here.file('note'))).toBe(0o600)
    expect(here.read('note')).toBe('text')
    expect(here.exists()).toBe(true)
    here.remove()
    expect(here.exists()).toBe(false)
  })

  test('that cannot be made is said, with what to do', () => {
    writeFileSync(path.join(base, 'a-file'), '')
    expect(() => new StateFolder('x', path.join(base, 'a-file')).make()).toThrowError(
      expect.objectContaining({ code: 'state_stale', remedy: expect.stringContaining('XDG_STATE_HOME') }),
    )
  })

  test('lies where XDG_STATE_HOME says, else under .local/state of the home', () => {
    const before = process.env.XDG_STATE_HOME
    process.env.XDG_STATE_HOME = '/somewhere'
    expect(stateBase()).toBe('/somewhere/arbdeck')
    delete process.env.XDG_STATE_HOME
    expect(stateBase()).toMatch(/\/\.local\/state\/arbdeck$/)
    if (before !== undefined) process.env.XDG_STATE_HOME = before
  })
})

test('a token is made once and kept, long enough, for its owner alone; each has its own', () => {
  const here = folder()
  const token = here.token('token')
  expect(token).toMatch(/^[\w-]{43}$/)
  expect(here.token('token')).toBe(token)
  expect(new StateFolder(here.fleet, base).token('token')).toBe(token)
  expect(here.token('agent-token')).not.toBe(token)
  expect(folder().token('token')).not.toBe(token)
  expect(mode(here.file('token'))).toBe(0o600)
  expect(readFileSync(here.file('token'), 'utf8')).toBe(`${token}\n`)
})

test('a socket is in the folder while the path is short enough, else in a fresh folder of the user’s own', () => {
  const short = new StateFolder('f', '/tmp/s')
  expect(short.socketPath('control.sock')).toBe('/tmp/s/f/control.sock')
  const long = new StateFolder('f', path.join(base, 'x'.repeat(120)))
  const elsewhere = [long.socketPath('control.sock'), long.socketPath('control.sock')]
  for (const socket of elsewhere) {
    expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(100)
    expect(mode(path.dirname(socket))).toBe(0o700)
    expect(existsSync(socket)).toBe(false)
    rmSync(path.dirname(socket), { recursive: true })
  }
  expect(elsewhere[0]).not.toBe(elsewhere[1])
})

test('the length of a socket’s path counts in bytes, not in letters', () => {
  const wide = new StateFolder('f', path.join(base, 'é'.repeat(50)))
  const socket = wide.socketPath('s')
  expect(socket.startsWith(wide.dir)).toBe(false)
  rmSync(path.dirname(socket), { recursive: true })
})
