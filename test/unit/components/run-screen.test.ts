import { PassThrough } from 'node:stream'
import { afterEach, expect, test, vi } from 'vitest'
import { runScreen, type ScreenEnd } from '../../../components/screen.tsx'
import { FleetError } from '../../../src/protocol/errors.ts'
import { type FakeFleet, fakeFleet } from '../../fixtures/fake-client.ts'

/** A terminal of streams: remembers what was written and which mode it is in. */
class FakeTerminal {
  readonly stdout = Object.assign(new PassThrough(), { columns: 120, rows: 35, isTTY: true })
  readonly stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (raw: boolean) => (this.raw = raw) })
  raw = false
  written = ''

  constructor() {
    this.stdout.on('data', (chunk) => (this.written += String(chunk)))
  }

  streams() {
    return {
      stdout: this.stdout as unknown as NodeJS.WriteStream,
      stdin: this.stdin as unknown as NodeJS.ReadStream,
      env: { NO_COLOR: '1' },
    }
  }

  type(text: string) {
    this.stdin.write(text)
  }

  resize(columns: number, rows: number) {
    Object.assign(this.stdout, { columns, rows })
    this.stdout.emit('resize')
  }

  /** What was written from now on. */
  since(): () => string {
    const from = this.written.length
    return () => this.written.slice(from)
  }
}

const ENTERED = '\u001B[?1049h'
const LEFT = '\u001B[?1049l'
const open: AbortController[] = []

function show(terminal: FakeTerminal, fleet: FakeFleet): Promise<ScreenEnd> {
  const closing = new AbortController()
  open.push(closing)
  return runScreen({ ...terminal.streams(), client: fleet.client, signal: closing.signal })
}
const seen = (terminal: FakeTerminal, text: string) =>
  vi.waitFor(() => expect(terminal.written).toContain(text), { timeout: 5_000 })

afterEach(() => {
  for (const closing of open.splice(0)) closing.abort()
})

test('takes the terminal, shows the fleet, and on q gives the terminal back', async () => {
  const terminal = new FakeTerminal()
  const ended = show(terminal, fakeFleet())
  await seen(terminal, 'code_indexer')
  expect(terminal.written.startsWith(ENTERED)).toBe(true)
  expect(terminal.raw).toBe(true)
  terminal.type('q')
  expect(await ended).toEqual({ signal: null })
  expect(terminal.raw).toBe(false)
  await seen(terminal, LEFT)
  const after = terminal.since()
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(after()).toBe('')
})

test('leaves no listener and no timer that keeps the process', async () => {
  const counts = () =>
    ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGCONT', 'exit', 'uncaughtExceptionMonitor'].map((n) => process.listenerCount(n))
  const before = counts()
  const terminal = new FakeTerminal()
  const ended = show(terminal, fakeFleet())
  await seen(terminal, 'code_indexer')
  terminal.type('\u0003')
  await ended
  expect(counts()).toEqual(before)
})

test('a signal gives the terminal back and is told', async () => {
  const terminal = new FakeTerminal()
  const ended = show(terminal, fakeFleet())
  await seen(terminal, 'code_indexer')
  process.emit('SIGHUP', 'SIGHUP')
  expect(terminal.raw).toBe(false)
  expect(await ended).toEqual({ signal: 'SIGHUP' })
})

test('a terminal that is gone ends the screen as a hang-up', async () => {
  const terminal = new FakeTerminal()
  const ended = show(terminal, fakeFleet())
  await seen(terminal, 'code_indexer')
  terminal.stdin.emit('error', new Error('EIO'))
  expect(await ended).toEqual({ signal: 'SIGHUP' })
})

test('paints before the fleet is there, shows what comes up, then the fleet', async () => {
  const terminal = new FakeTerminal()
  let arrive: () => void = () => undefined
  const fleet = fakeFleet()
  const ended = runScreen({
    ...terminal.streams(),
    connect: async (say) => {
      say({ type: 'service', at: new Date().toISOString(), name: 'sandbox', state: 'starting', note: 'deploying' })
      await new Promise<void>((resolve) => (arrive = resolve))
      return fleet.client
    },
  })
  await seen(terminal, 'the fleet starts')
  await seen(terminal, 'deploying')
  expect(terminal.written).not.toContain('Opportunities')
  arrive()
  await seen(terminal, 'Opportunities')
  terminal.type('q')
  await ended
})

test('quitting while the fleet starts aborts the start', async () => {
  const terminal = new FakeTerminal()
  let aborted = false
  const ended = runScreen({
    ...terminal.streams(),
    connect: (_say, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          aborted = true
          reject(new Error('given up'))
        }),
      ),
  })
  await seen(terminal, 'the fleet starts')
  terminal.type('q')
  await ended
  expect(aborted).toBe(true)
})

test('a start that fails ends the screen with the reason, the terminal given back', async () => {
  const terminal = new FakeTerminal()
  const reason = new FleetError('port_taken', 'port 3000 is taken', { remedy: 'Pass --hub-port.' })
  const ended = runScreen({ ...terminal.streams(), connect: () => Promise.reject(reason) })
  await expect(ended).rejects.toBe(reason)
  expect(terminal.raw).toBe(false)
  await seen(terminal, LEFT)
})

test('a client that fails does not close the screen: it says so, tries again, and recovers', async () => {
  const terminal = new FakeTerminal()
  const fleet = fakeFleet()
  const ended = show(terminal, fleet)
  await seen(terminal, 'code_indexer')
  fleet.breakWith('Redis is away')
  await seen(terminal, 'stale')
  await seen(terminal, 'Redis is away')
  fleet.breakWith(null)
  const after = terminal.since()
  await vi.waitFor(() => expect(after()).toContain('\u001B[2;1H profit'), { timeout: 8_000 })
  terminal.type('q')
  await ended
})

test('a burst of plus signs asks for all of them, in few calls', async () => {
  const terminal = new FakeTerminal()
  const fleet = fakeFleet()
  const ended = show(terminal, fleet)
  await seen(terminal, 'code_indexer')
  terminal.type('j++++')
  await seen(terminal, 'builder: 5 wanted')
  const calls = fleet.asked.filter((call) => call.startsWith('scale'))
  expect(calls.length).toBeLessThanOrEqual(2)
  expect(calls.every((call) => call.startsWith('scale builder add'))).toBe(true)
  terminal.type('q')
  await ended
})

test('what the fleet refuses is told, and the wish is taken back', async () => {
  const terminal = new FakeTerminal()
  const fleet = fakeFleet()
  const ended = show(terminal, fleet)
  await seen(terminal, 'code_indexer')
  terminal.type('G+')
  await seen(terminal, 'admin may be 0 to 1, not 2. Ask for fewer.')
  terminal.type('q')
  await ended
})

test('Enter on an agent follows its logs', async () => {
  const terminal = new FakeTerminal()
  const fleet = fakeFleet()
  const ended = show(terminal, fleet)
  await seen(terminal, 'code_indexer')
  terminal.type('\tjj\r')
  await seen(terminal, 'Logs · test_writer-1')
  await vi.waitFor(() => expect(fleet.asked).toContain('logs test_writer-1'))
  terminal.type('q')
  await ended
})

test('a resize clears and draws everything again; too small says so, and it comes back', async () => {
  const terminal = new FakeTerminal()
  const ended = show(terminal, fakeFleet())
  await seen(terminal, 'code_indexer')
  let after = terminal.since()
  terminal.resize(59, 14)
  await vi.waitFor(() => expect(after()).toContain('59x14'))
  expect(after()).toContain('\u001B[2J')
  after = terminal.since()
  terminal.resize(80, 24)
  await vi.waitFor(() => expect(after()).toContain('code_indexer'))
  terminal.type('q')
  await ended
})

test('when the process dies of an error the terminal is given back first', async () => {
  const terminal = new FakeTerminal()
  const ended = show(terminal, fakeFleet())
  await seen(terminal, 'code_indexer')
  process.emit('uncaughtExceptionMonitor' as never, new Error('a fault') as never)
  expect(terminal.raw).toBe(false)
  await seen(terminal, LEFT)
  open.pop()?.abort()
  await ended
})

test('shows at most about four pictures a second while nothing is pressed', async () => {
  const terminal = new FakeTerminal()
  const ended = show(terminal, fakeFleet({ linesPerSecond: 200 }))
  await seen(terminal, 'Logs · whole fleet')
  const after = terminal.since()
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const pictures = after().split('\u001B[?2026h').length - 1
  expect(pictures).toBeLessThanOrEqual(10)
  expect(pictures).toBeGreaterThanOrEqual(4)
  terminal.type('q')
  await ended
})
