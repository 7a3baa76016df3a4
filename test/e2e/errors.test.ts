import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { build, Cli, errorOf, eventually, type Finished, ndjson, type RunOptions } from '../fixtures/cli.ts'
import { processesOf } from '../fixtures/processes.ts'

const run = process.pid.toString(36)
const FLEET = `test-errors-${run}`
const NOWHERE = { DOCKER_HOST: 'unix:///nonexistent.sock' }

let cli: Cli
const servers: net.Server[] = []
beforeAll(() => {
  build()
  cli = new Cli()
})
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
})
afterAll(() => cli.close([FLEET]), 120_000)

/** Runs a command that must fail: its exit code and the error that its last line is. */
async function fails(args: readonly string[], options: RunOptions = {}) {
  const done: Finished = await cli.run([...args, '--json'], options)
  return { code: done.code, error: errorOf(done), done }
}

const stateFile = (...names: string[]) => path.join(cli.state, 'arbdeck', FLEET, ...names)
function writeState(name: string, text: string): void {
  mkdirSync(path.dirname(stateFile(name)), { recursive: true })
  writeFileSync(stateFile(name), text)
}

async function takePort(): Promise<number> {
  const server = net.createServer()
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

describe('configuration', () => {
  test('the hub’s port is taken: by whom, and the option that moves it', async () => {
    const port = await takePort()
    const { code, error } = await fails(['up', '--engine', 'embedded', '--fleet', FLEET, '--hub-port', String(port)])
    expect(code).toBe(1)
    expect(error).toMatchObject({ code: 'port_taken', remedy: expect.stringContaining('--hub-port') })
    expect(error.message).toMatch(new RegExp(`port ${port} of the hub is taken by .*${process.pid}`))
    expect(processesOf(FLEET)).toEqual([])
  })

  test('a manifest with unknown keys, wrong types and overlapping ports: all at once, each with its line', async () => {
    const file = path.join(cli.folder, 'faulty.yaml')
    const good = readFileSync(new URL('../../config/fleet.yaml', import.meta.url), 'utf8').split('\n')
    const edit = (find: string, replace: string) => {
      const line = good.findIndex((text) => text.includes(find))
      good[line] = (good[line] ?? '').replace(find, replace)
      return line + 1
    }
    const lines = [
      edit('planBlocks: 8', 'planBlocks: many'),
      edit('maxGasPerTrade:', 'maxGasPreTrade:'),
      edit('  builder:', '  bulider:'),
      edit('firstPort: 3161', 'firstPort: 3145'),
    ]
    writeFileSync(file, good.join('\n'))
    const { code, error } = await fails(['up', '--engine', 'embedded', '--fleet', FLEET, '--manifest', file])
    expect(code).toBe(2)
    expect(error.code).toBe('config_invalid')
    for (const line of lines) expect(error.message).toContain(`faulty.yaml:${line}: `)
    expect(error.message).toMatch(/unknown key "maxGasPreTrade"/)
    expect(error.message).toMatch(/roles\.bulider is none of our own roles; did you mean builder\?/)
    expect(error.message).toMatch(/ports of executor \(3145-\d+\) overlap those of test_writer/)
  })

  test('an .env that cannot be read, and one with a wrong value', async () => {
    const cwd = path.join(cli.folder, 'broken')
    mkdirSync(path.join(cwd, '.env'), { recursive: true })
    expect(await fails(['status'], { cwd })).toMatchObject({ code: 2, error: { code: 'config_invalid' } })
    const other = path.join(cli.folder, 'wrong')
    mkdirSync(other)
    writeFileSync(path.join(other, '.env'), 'ARBDECK_ENGINE=dokcer\n')
    const { code, error } = await fails(['status'], { cwd: other })
    expect(code).toBe(2)
    expect(error.message).toMatch(/engine.*"dokcer".*"docker"/)
  })

  test.each([
    [['scael', 'executor=2'], 'usage', /scale/],
    [['scale', 'exekutor=2'], 'usage', /executor/],
    [['scale', 'executor=many'], 'usage', /executor=3/],
    [['status', '--no-such-flag'], 'usage', /--help/],
    [['up', '--untl', 'healthy'], 'usage', /--until/],
    [['logs', '--role', 'plannr'], 'usage', /planner/],
    [['halt', 'now'], 'usage', /halt --help/],
    [['up', '--until', 'rich'], 'usage', /executed=3/],
    [['up', '--timeout', '5'], 'usage', /30s/],
    [['up', '--chain', 'ftp://nowhere'], 'usage', /http/],
    [['up', '--engine', 'swarm'], 'unsupported', /embedded/],
    [['up', '--live'], 'usage', /--chain/],
    [['up', '--manifest', '/nonexistent.yaml'], 'config_invalid', /--manifest/],
    [['up', '--chain', '@/nonexistent'], 'config_invalid', /URL/],
    [['status', '--fleet', 'Not_A_Name'], 'usage', /lower-case/],
    [['call', 'x', '[1]'], 'usage', /'\{/],
    [['tui'], 'terminal_missing', /arbdeck up/],
  ] as const)('%j is refused with 2, %s', async (args, code, remedy) => {
    const refused = await fails(args, { env: { ...NOWHERE, ARBDECK_ENGINE: 'embedded' } })
    expect(refused.code).toBe(2)
    expect(refused.error).toMatchObject({ code, remedy: expect.stringMatching(remedy) })
    expect(refused.done.stdout).toBe('')
  })

  test('an error is two lines of text without --json, and a stack trace comes with --debug alone', async () => {
    const plain = await cli.run(['scale', 'exekutor=2'])
    expect(plain.stderr).toBe('arbdeck: there is no role "exekutor"\n  Did you mean executor?\n')
    const debug = await cli.run(['scale', 'exekutor=2', '--debug'])
    expect(debug.stderr).toMatch(/\n\s+at /)
  })
})

describe('a fleet that is not there', () => {
  test.each([
    'status',
    'ps',
    'scale executor=2',
    'logs',
    'opportunities',
    'trades',
    'tasks',
    'events --follow',
    'audit',
    'tools',
    'call x',
    'halt',
    'resume',
    'restart hub',
    'stop',
    'down',
    'down --volumes',
  ])('%s exits with 3 and says how to start it', async (command) => {
    const { code, error } = await fails([...command.split(' '), '--fleet', 'test-none', '--engine', 'embedded'])
    expect(code).toBe(3)
    expect(error).toMatchObject({
      code: 'fleet_not_running',
      remedy: expect.stringContaining('up --engine embedded --fleet test-none'),
    })
  })
})

describe('a state folder that is stale', () => {
  const up = ['up', '--engine', 'embedded', '--fleet', FLEET, '--until', 'healthy', '--timeout', '40s']
  const mend = async (error: { remedy: string }) => {
    expect(error.remedy).toMatch(/arbdeck down .*--volumes/)
    expect((await cli.run(['down', '--volumes', '--fleet', FLEET, '--json'])).code).toBe(0)
  }

  test('a lock of a process that is gone, or is another by now, does not count', async () => {
    for (const pid of [4_194_000, process.pid]) {
      writeState('lock', JSON.stringify({ pid, start: '1' }))
      expect((await cli.run([...up, '--json'])).code).toBe(0)
    }
  }, 60_000)

  test('a damaged fleet.json is said, and the remedy that is named mends it', async () => {
    writeState('fleet.json', '{"vers')
    const { code, error } = await fails(up)
    expect(code).toBe(1)
    expect(error).toMatchObject({ code: 'state_stale', message: expect.stringContaining('fleet.json') })
    await mend(error)
  }, 60_000)

  test('a damaged history is said, whatever else is healthy, and nothing is left running', async () => {
    mkdirSync(stateFile('history'), { recursive: true })
    writeFileSync(stateFile('history', 'PG_VERSION'), '15\n')
    const { code, error } = await fails(up)
    expect(code).toBe(1)
    expect(error).toMatchObject({ code: 'state_stale', message: expect.stringContaining('history') })
    await eventually('no process is left', () => processesOf(FLEET).length === 0)
    await mend(error)
  }, 60_000)

  test('a state folder that cannot be made says so', async () => {
    const file = path.join(cli.folder, 'file')
    writeFileSync(file, '')
    const { code, error } = await fails(up, { env: { XDG_STATE_HOME: file } })
    expect(code).toBe(1)
    expect(error).toMatchObject({ code: 'state_stale', remedy: expect.stringContaining('XDG_STATE_HOME') })
  })
})

describe('without a terminal', () => {
  test('arbdeck alone streams text and says so; --json makes it NDJSON', async () => {
    const text = await cli.run(['--engine', 'embedded', '--fleet', FLEET, '--until', 'executed=1', '--timeout', '60s'])
    expect(text.code).toBe(0)
    expect(text.stderr).toMatch(/No terminal here: streaming events/)
    expect(text.stdout).toMatch(/execution {4}0x[0-9a-f]{8}… paid [\d.]+, predicted [\d.]+, gas/)
    expect(text.stdout).not.toContain('\u001b')
    const json = await cli.run([
      '--engine',
      'embedded',
      '--fleet',
      FLEET,
      '--until',
      'healthy',
      '--timeout',
      '60s',
      '--json',
    ])
    expect(json.code).toBe(0)
    expect(json.stderr).toBe('')
    expect(ndjson(json.stdout).at(-1)).toMatchObject({ type: 'summary', held: true })
  }, 120_000)
})
