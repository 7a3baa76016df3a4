import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build, Cli, errorOf, eventually, ndjson } from '../fixtures/cli.ts'
import { processesOf } from '../fixtures/processes.ts'
import { ROLE_NAMES } from '../fixtures/roles.ts'

const run = process.pid.toString(36)
const LIGHT = `test-light-${run}`
const SIGNALS = `test-signals-${run}`
const UP = ['up', '--engine', 'embedded', '--json', '--fleet']
const ISO_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

let cli: Cli
beforeAll(() => {
  build()
  cli = new Cli()
})
afterAll(() => cli.close([LIGHT, SIGNALS]), 120_000)

const nothingRuns = (fleet: string) =>
  eventually(`no process of ${fleet} is left`, () => processesOf(fleet).length === 0)
const stateFile = (fleet: string, ...names: string[]) => path.join(cli.state, 'arbdeck', fleet, ...names)
const hostOf = (fleet: string): number => JSON.parse(readFileSync(stateFile(fleet, 'lock'), 'utf8')).pid

describe('up, headless', () => {
  test('three trades are executed, each pays what was predicted, and nothing is left', async () => {
    const done = await cli.run([...UP, LIGHT, '--until', 'executed=3', '--timeout', '120s'], { limitMs: 150_000 })
    expect(done.stderr).toBe('')
    expect(done.code).toBe(0)
    const events = ndjson(done.stdout)
    for (const event of events)
      expect(event).toMatchObject({ type: expect.any(String), at: expect.stringMatching(ISO_UTC) })
    const executions = events.filter((event) => event.type === 'execution')
    expect(executions.length).toBeGreaterThanOrEqual(3)
    for (const { tx, profitWei, predictedWei, exact } of executions) {
      expect(tx).toMatch(/^0x[0-9a-f]{64}$/)
      expect(exact).toBe(true)
      expect(profitWei).toBe(predictedWei)
      expect(BigInt(profitWei)).toBeGreaterThan(0n)
    }
    const stages = new Set(events.filter((event) => event.type === 'trade').map((event) => event.stage))
    expect([...stages]).toEqual(expect.arrayContaining(['inspect', 'plan', 'build', 'validate', 'execute', 'review']))
    const roles = new Set(
      events.filter((event) => event.type === 'agent' && event.state === 'healthy').map((event) => event.role),
    )
    expect([...roles].sort()).toEqual([...ROLE_NAMES].sort())
    const summaries = events.filter((event) => event.type === 'summary')
    expect(summaries).toEqual([events.at(-1)])
    expect(summaries[0]).toMatchObject({ until: 'executed=3', held: true, executed: executions.length })
    await nothingRuns(LIGHT)
  }, 160_000)

  test('what does not come in time ends with 4, the reason and a summary, and nothing is left', async () => {
    const done = await cli.run([...UP, LIGHT, '--until', 'executed=100000', '--timeout', '6s'])
    expect(done.code).toBe(4)
    expect(errorOf(done)).toMatchObject({ code: 'timeout', message: expect.stringContaining('executed=100000') })
    expect(ndjson(done.stdout).at(-1)).toMatchObject({ type: 'summary', held: false, until: 'executed=100000' })
    await nothingRuns(LIGHT)
  }, 60_000)

  test('--for ends it with 0, as lines of text without --json', async () => {
    const done = await cli.run(['up', '--engine', 'embedded', '--fleet', LIGHT, '--for', '500ms'])
    expect(done.code).toBe(0)
    expect(done.stderr).toMatch(/Engine embedded/)
    expect(done.stdout).toMatch(/agent {8}executor-1: (healthy|standby)/)
    expect(done.stdout).toMatch(/ executed, \d+ opportunities in \d+ s\n$/)
    await nothingRuns(LIGHT)
  }, 60_000)
})

describe('how up ends', () => {
  test.each([
    ['SIGTERM', 143, 'healthy'],
    ['SIGINT', 130, 'starting'],
  ] as const)(
    '%s ends the fleet in order and exits with %i (while %s)',
    async (signal, code, moment) => {
      const up = cli.start([...UP, SIGNALS])
      if (moment === 'healthy') await up.line((event) => event.type === 'opportunity')
      else await up.line(() => true)
      up.kill(signal)
      const done = await up.ended
      expect(done.code).toBe(code)
      expect(done.stderr).toBe('')
      expect(ndjson(done.stdout).at(-1)).toMatchObject({ type: 'summary', held: false })
      expect(processesOf(SIGNALS)).toEqual([])
      expect(() => hostOf(SIGNALS)).toThrow(/ENOENT/)
    },
    60_000,
  )

  test('killed outright, it takes host and node with it', async () => {
    const up = cli.start([...UP, SIGNALS])
    await up.line((event) => event.type === 'opportunity')
    expect(processesOf(SIGNALS, 'anvil')).toHaveLength(1)
    up.kill('SIGKILL')
    await up.ended
    await nothingRuns(SIGNALS)
  }, 60_000)
})
