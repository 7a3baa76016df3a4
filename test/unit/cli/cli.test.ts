import { describe, expect, test } from 'vitest'
import type { FleetClient } from '../../../src/client/client.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { fakeSnapshot } from '../../fixtures/fake-client.ts'
import { errorIn, runCommand } from '../../fixtures/run-command.ts'

describe('what is mistyped is answered with the nearest right word, exit 2, and nothing is done', () => {
  test.each([
    [['statsu'], 'statsu', 'status'],
    [['scael', 'executor=1'], 'scael', 'scale'],
    [['status', '--prfile', 'mini'], '--prfile', '--profile'],
    [['up', '--detatch'], '--detatch', '--detach'],
    [['scale', 'exectuor=1'], 'exectuor', 'executor'],
    [['ps', 'planer'], 'planer', 'planner'],
    [['logs', '--role', 'reviewr'], 'reviewr', 'reviewer'],
    [['schema', 'statsu'], 'statsu', 'status'],
  ])('%j', async (args, said, meant) => {
    const ran = await runCommand([...args, '--json'])
    expect(ran.code).toBe(2)
    expect(ran.stdout).toBe('')
    expect(errorIn(ran).code).toBe('usage')
    expect(errorIn(ran).message).toContain(said)
    expect(errorIn(ran).remedy).toContain(`Did you mean ${meant}`)
    // Names of roles are those of the fleet, which is looked at.
    expect(ran.calls.filter((call) => call !== 'attach' && call !== 'close')).toEqual([])
  })

  test.each([
    [['--engine', 'podman']],
    [['status', '--profile', 'huge']],
    [['scale']],
    [['call']],
    [['status', 'extra']],
    [['logs', '--tail', '-1']],
    [['logs', '--grep', '(']],
    [['up', '--until', 'done']],
    [['up', '--for', '5']],
    [['up', '--timeout', 'soon']],
    [['call', 'a__b', '[1]']],
    [['call', 'a__b', '{']],
    [['opportunities', '--min-profit', '1.5']],
  ])('refused: %j', async (args) => {
    const ran = await runCommand([...args, '--json'])
    expect(errorIn(ran)).toMatchObject({ code: 'usage', remedy: expect.stringMatching(/\S/) })
    expect(ran).toMatchObject({ code: 2, stdout: '', calls: [] })
  })
})

test.each([['trades'], ['tasks'], ['events'], ['audit'], ['opportunities']])(
  '%s takes one to ten thousand of the newest records',
  async (name) => {
    for (const last of ['0', '10001', 'all']) {
      const ran = await runCommand([name, '--last', last, '--json'])
      expect(ran).toMatchObject({ code: 2, stdout: '' })
      expect(errorIn(ran).message).toContain(`--last ${last}`)
    }
    expect((await runCommand([name, '--last', '10000', '--json'])).code).toBe(0)
  },
)

describe('options', () => {
  test('given twice take the last value', async () => {
    const ran = await runCommand(['status', '--fleet', 'one', '--engine', 'docker', '--fleet', 'two', '--json'])
    expect(ran.options).toMatchObject({ fleet: 'two', engine: 'docker' })
  })

  test('come from ARBDECK_ variables too, and the flag wins', async () => {
    const env = {
      ARBDECK_FLEET: 'from-env',
      ARBDECK_SEED: '7',
      ARBDECK_HUB_PORT: '3300',
      ARBDECK_IMAGE_REDIS: 'redis:x',
    }
    expect((await runCommand(['status'], { env })).options).toMatchObject({
      fleet: 'from-env',
      seed: '7',
      hubPort: 3300,
    })
    expect((await runCommand(['status', '--fleet', 'flag'], { env })).options?.fleet).toBe('flag')
  })

  test('a wrong value from the environment is refused as one from the command line', async () => {
    const ran = await runCommand(['status', '--json'], { env: { ARBDECK_CHAIN: 'ftp://n' } })
    expect(ran).toMatchObject({ code: 2, calls: [] })
    expect(errorIn(ran).message).toContain('ftp:')
  })

  test('--json may come from the environment: the error is JSON then too', async () => {
    const ran = await runCommand(['statsu'], { env: { ARBDECK_JSON: 'true' } })
    expect(errorIn(ran).code).toBe('usage')
  })
})

describe('scale', () => {
  test('hands on every change, in order, also those with a sign', async () => {
    const ran = await runCommand(['scale', 'executor=2', 'planner=+1', 'reviewer=-1', '--json'])
    const changes = [
      { role: 'executor', op: 'set', count: 2 },
      { role: 'planner', op: 'add', count: 1 },
      { role: 'reviewer', op: 'add', count: -1 },
    ]
    expect(ran.calls).toEqual(['attach', `scale ${JSON.stringify(changes)}`, 'close'])
    expect(JSON.parse(ran.stdout)).toEqual({ counts: { executor: 2, planner: 1, reviewer: -1 } })
    expect(ran.code).toBe(0)
  })

  test('--wait returns when the fleet is whole', async () => {
    let looks = 0
    const snapshot = async () => {
      looks += 1
      const { roles, ...rest } = fakeSnapshot()
      return { ...rest, roles: looks < 2 ? roles.map((role) => ({ ...role, healthy: 0 })) : roles }
    }
    const step = { type: 'step', at: now(), kind: 'start', id: 'executor-1', cause: 'wanted and not there' } as const
    const healthy = { type: 'agent', at: now(), id: 'executor-1', role: 'executor', state: 'healthy' } as const
    const head = { type: 'chain', at: now(), chainInstance: 'x', chainId: 1, state: 'ready' } as const
    async function* events() {
      yield* [step, head, healthy]
    }
    const args = ['scale', 'executor=1', '--wait', '--timeout', '5s']
    const ran = await runCommand(args, { client: { snapshot, events } })
    expect(ran.code).toBe(0)
    expect(looks).toBe(3)
    expect(ran.stdout).toBe('executor: 1, all healthy\n')
    expect(ran.stderr).toMatch(/start executor-1: wanted and not there\n.*executor-1: healthy\n$/)
    looks = 0
    const told = await runCommand([...args, '--progress', '--json'], { client: { snapshot, events } })
    const lines = told.stdout.trim().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      step,
      healthy,
      { type: 'summary', at: expect.any(String), counts: { executor: 1 } },
    ])
  })

  test('--wait gives up at once, with exit 1, when all that is missing fails again and again', async () => {
    const failure = {
      ...{ id: 'executor-2', cause: 'exited with 1', lines: ['no key'], count: 3, at: now(), until: now() },
      ...{ startedAt: now(), specHash: 'a', ill: false },
    }
    const snapshot = async () => {
      const whole = fakeSnapshot()
      const roles = whole.roles.map((r) => (r.role === 'executor' ? { ...r, want: 2 } : r))
      return { ...whole, roles, failures: [failure] }
    }
    const ran = await runCommand(['scale', 'executor=2', '--wait', '--json'], { client: { snapshot } })
    expect(ran).toMatchObject({ code: 1, stdout: '' })
    expect(errorIn(ran)).toMatchObject({
      code: 'engine_refused',
      message: 'all but this is as wanted: executor 1 of 2 healthy; executor-2 exited with 1 (no key)',
    })
  })

  test('--profile sets all counts; one from the environment is not meant beside counts by name', async () => {
    const scale = (_changes: unknown, profile?: string) => Promise.resolve({ [`profile ${profile}`]: 1 } as never)
    const counts = async (args: string[], env = {}) =>
      JSON.parse((await runCommand(['scale', ...args, '--json'], { client: { scale }, env })).stdout).counts
    expect(await counts(['--profile', 'full'])).toEqual({ 'profile full': 1 })
    expect(await counts(['executor=3', '--profile', 'full'])).toEqual({ 'profile full': 1 })
    expect(await counts(['executor=3'], { ARBDECK_PROFILE: 'full' })).toEqual({ 'profile undefined': 1 })
    expect(await counts([], { ARBDECK_PROFILE: 'full' })).toEqual({ 'profile full': 1 })
  })

  test('--wait gives up with exit 4 and says what is missing', async () => {
    const snapshot = async () => {
      const whole = fakeSnapshot()
      return { ...whole, roles: whole.roles.map((r) => (r.role === 'executor' ? { ...r, want: 2 } : r)) }
    }
    const args = ['scale', 'executor=2', '--wait', '--timeout', '1ms', '--json']
    const ran = await runCommand(args, { client: { snapshot } })
    expect(ran).toMatchObject({ code: 4, stdout: '' })
    expect(errorIn(ran)).toMatchObject({ code: 'timeout', message: expect.stringContaining('executor 1 of 2 healthy') })
  })
})

describe('a plan', () => {
  const start = { kind: 'start', id: 'executor-2', cause: 'wanted and not there' } as const

  test('is printed by status --plan, a line a step, and nothing else is asked', async () => {
    const plan = async () => [start]
    expect((await runCommand(['status', '--plan'], { client: { plan } })).stdout).toBe(
      'start executor-2: wanted and not there\n',
    )
    const ran = await runCommand(['status', '--plan', '--json'], { client: { plan } })
    expect(JSON.parse(ran.stdout)).toEqual({ plan: [start] })
    expect((await runCommand(['status', '--plan'])).stdout).toBe('nothing to do: the fleet is as wanted\n')
  })

  test('is printed by up --dry-run, which starts nothing', async () => {
    const ran = await runCommand(['up', '--dry-run', '--json'])
    expect(JSON.parse(ran.stdout)).toEqual({ plan: [{ kind: 'start', id: 'hub', cause: 'wanted and not there' }] })
    expect(ran.calls).toEqual(['planUp'])
  })
})

describe('a command', () => {
  test.each([
    [['halt', '--reason', 'odd prices'], 'halt "odd prices"'],
    [['halt'], 'halt null'],
    [['resume'], 'resume'],
    [['restart', 'executor-1'], 'restart "executor-1"'],
    [['restart'], 'restart null'],
  ])('%j asks for that one thing, and closes what it opened', async (args, call) => {
    expect((await runCommand(args)).calls).toEqual(['attach', call, 'close'])
  })

  test.each([
    [['down'], { remove: true, volumes: false }],
    [['down', '--volumes'], { remove: true, volumes: true }],
    [['stop'], { remove: false, volumes: false }],
  ])('%j ends the fleet as it says', async (args, how) => {
    const ran = await runCommand([...args, '--fleet', 'mine', '--json'])
    expect(ran.calls).toEqual([`down ${JSON.stringify(how)}`])
    expect(JSON.parse(ran.stdout)).toEqual({ fleet: 'mine', ended: args[0], volumes: how.volumes })
  })

  test('that prints a document prints one line of JSON, amounts as decimal strings', async () => {
    const ran = await runCommand(['status', '--json'])
    expect(ran.stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(ran.stdout).profitWei).toMatch(/^-?\d+$/)
    expect(ran.stderr).toBe('')
  })

  test('that follows ends with the code of the signal that ended it', async () => {
    const stop = new AbortController()
    const events: FleetClient['events'] = async function* () {
      yield { type: 'note', at: now(), level: 'info', from: 'test', message: 'x' }
      stop.abort(143)
    }
    const client = { events }
    expect((await runCommand(['events', '--follow'], { client, signal: stop.signal })).code).toBe(143)
  })
})

describe('a failure', () => {
  const failing = (error: unknown) => ({
    launcher: {
      attach: async () => {
        throw error
      },
    },
  })
  const gone = new FleetError('fleet_not_running', 'no fleet runs', { remedy: 'Start it.', cause: new Error('ENOENT') })

  test('is one JSON object on stderr, and its exit code that of its kind', async () => {
    const ran = await runCommand(['status', '--json'], failing(gone))
    expect(ran).toMatchObject({ code: 3, stdout: '' })
    expect(JSON.parse(ran.stderr)).toEqual({
      error: { code: 'fleet_not_running', message: 'no fleet runs', remedy: 'Start it.', cause: 'ENOENT' },
    })
  })

  test('is two lines of text, what and what to do, without a trace unless --debug', async () => {
    expect((await runCommand(['status'], failing(gone))).stderr).toBe('arbdeck: no fleet runs\n  Start it.\n')
    expect((await runCommand(['status', '--debug'], failing(gone))).stderr).toMatch(
      /\n\s+at .*\ncaused by Error: ENOENT/s,
    )
  })

  test('of ours is internal, exit 1', async () => {
    const ran = await runCommand(['status', '--json'], failing(new TypeError('oops')))
    expect(ran.code).toBe(1)
    expect(errorIn(ran)).toMatchObject({ code: 'internal', message: 'oops' })
  })

  test('of the .env file comes before anything else', async () => {
    const envFault = new FleetError('config_invalid', '.env cannot be read', { remedy: 'Remove it.' })
    expect(await runCommand(['status'], { envFault })).toMatchObject({ code: 2, calls: [] })
  })
})

test('without a terminal arbdeck alone does what up does and says so; tui refuses', async () => {
  const bare = await runCommand(['--until', 'healthy'], { client: { async *events() {} } })
  expect(bare.calls).toEqual(['up {"detach":false}', 'leave', 'close'])
  expect(bare.stderr).toContain('No terminal here')
  const tui = await runCommand(['tui', '--json'])
  expect(tui).toMatchObject({ code: 2, calls: [] })
  expect(errorIn(tui).code).toBe('terminal_missing')
})
