import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { StatusSchema } from '../../src/protocol/snapshot.ts'
import { build, Cli, errorOf, eventually, isFree, ndjson } from '../fixtures/cli.ts'
import { processesOf } from '../fixtures/processes.ts'
import { ROLE_NAMES } from '../fixtures/roles.ts'

const run = process.pid.toString(36)
const FLEET = `test-shared-${run}`
const UP = ['up', '--engine', 'embedded', '--json', '--fleet']
const ISO_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

let cli: Cli
beforeAll(() => {
  build()
  cli = new Cli()
})
afterAll(() => cli.close([FLEET]), 120_000)

const nothingRuns = (fleet: string) =>
  eventually(`no process of ${fleet} is left`, () => processesOf(fleet).length === 0)
const stateFile = (fleet: string, ...names: string[]) => path.join(cli.state, 'arbdeck', fleet, ...names)
const hostOf = (fleet: string): number => JSON.parse(readFileSync(stateFile(fleet, 'lock'), 'utf8')).pid

describe('a fleet in the background', () => {
  const q = (...args: string[]) => cli.json([...args, '--fleet', FLEET])
  const executed = async (): Promise<number> => (await q('status')).trades.executed
  const tradesOn = async (from: number) =>
    eventually('another trade is executed', async () => (await executed()) > from, 60_000)

  beforeAll(async () => {
    const done = await cli.run([...UP, FLEET, '--detach'])
    expect(done.code, done.stderr).toBe(0)
    expect(ndjson(done.stdout).at(-1)).toMatchObject({ type: 'summary', held: true })
  }, 60_000)

  test('status has the shape that scripts rely on', async () => {
    const status = await q('status')
    StatusSchema.parse(status)
    expect(status).toMatchObject({
      fleet: FLEET,
      engine: 'embedded',
      profile: 'mini',
      halt: { set: false, reason: null },
    })
    expect(status.roles.map((role: { role: string }) => role.role).sort()).toEqual([...ROLE_NAMES].sort())
    for (const role of status.roles) expect(role).toMatchObject({ want: 1, running: 1, healthy: 1, restarts: 0 })
    expect(status.chain).toMatchObject({ id: 31_337, sandbox: true })
    expect(status.chain.head).toBeGreaterThan(0)
    expect(status.profitWei).toMatch(/^-?\d+$/)
    for (const name of ['sandbox', 'hub', 'bot', 'controller'])
      expect(status.services).toContainEqual(expect.objectContaining({ name, state: 'running', health: 'healthy' }))
    expect((await cli.run(['status', '--fleet', FLEET])).stdout).toMatch(
      /^fleet .* on embedded, profile mini; chain sandbox/,
    )
  })

  test('scale waits until exactly so many exist, up and down, and refuses what is too many', async () => {
    expect((await q('scale', 'executor=3', 'planner=+1', '--wait')).counts).toMatchObject({ executor: 3, planner: 2 })
    const { agents } = await q('ps', 'executor')
    expect(agents.map((agent: { id: string }) => agent.id)).toEqual(['executor-1', 'executor-2', 'executor-3'])
    for (const agent of agents) expect(agent.state).toMatch(/^(healthy|standby)$/)
    await q('scale', 'executor=1', 'planner=-1', '--wait')
    expect((await q('ps')).agents.map((agent: { id: string }) => agent.id)).toEqual(
      ROLE_NAMES.map((role) => `${role}-1`),
    )
    const tooMany = await cli.run(['scale', 'executor=+1000', '--fleet', FLEET, '--json'])
    expect(tooMany.code).toBe(2)
    expect(errorOf(tooMany).message).toMatch(/executor would be 1001, outside 1 to \d+/)
  }, 60_000)

  test('logs are merged in time order, one object a line', async () => {
    await tradesOn(0) // an agent that had nothing to do may have nothing to say
    const lines = ndjson(
      (await cli.run(['logs', '--role', 'executor', '--tail', '5', '--fleet', FLEET, '--json'])).stdout,
    )
    expect(lines.pop()).toMatchObject({ type: 'summary', lines: lines.length })
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines)
      expect(line).toMatchObject({ type: 'log', at: expect.stringMatching(ISO_UTC), source: 'executor-1' })
    const all = ndjson((await cli.run(['logs', '--tail', '50', '--fleet', FLEET, '--json'])).stdout).slice(0, -1)
    expect(all.map((line) => line.at)).toEqual(all.map((line) => line.at).sort())
    expect(new Set(all.map((line) => line.source)).size).toBeGreaterThan(2)
    const follow = cli.start(['logs', '--follow', '--tail', '0', '--fleet', FLEET, '--json'])
    await follow.line((line) => line.type === 'log')
    follow.kill('SIGTERM')
    expect((await follow.ended).code).toBe(143)
  }, 60_000)

  test('opportunities, trades and tasks tell what happened, amounts as decimal strings', async () => {
    await tradesOn(0)
    const { opportunities } = await q('opportunities')
    expect(opportunities.length).toBeGreaterThan(0)
    for (const { profitWei, sizeRaw } of opportunities) expect(`${profitWei} ${sizeRaw}`).toMatch(/^\d+ \d+$/)
    const { trades } = await q('trades')
    const trade = trades.find((one: { state: string }) => one.state === 'executed')
    expect(trade).toMatchObject({ exact: true, profitWei: trade.predictedWei })
    expect((await q('trades', trade.id.slice(0, 12))).trades).toMatchObject([{ id: trade.id }])
    const stages = (await q('tasks', trade.id)).tasks.map((task: { stage: string }) => task.stage)
    expect(stages).toEqual(expect.arrayContaining(['inspect', 'plan', 'build', 'validate', 'execute', 'review']))
    expect((await q('opportunities', '--min-profit', '1e30')).opportunities).toEqual([])
  }, 90_000)

  test('events are followed, and a reader that goes away ends the command quietly', async () => {
    expect((await q('events', '--last', '5')).events).toHaveLength(5)
    const follow = cli.start(['events', '--follow', '--fleet', FLEET, '--json'])
    await follow.line((event) => ISO_UTC.test(event.at))
    follow.closeStdout()
    const done = await follow.ended
    expect(done.code).toBe(0)
    expect(done.stderr).toBe('')
  })

  test('every role is behind the hub, can be called, and the call is audited', async () => {
    const { tools } = await q('tools')
    const roles = new Set(tools.map((tool: { name: string }) => tool.name.split('__')[0]))
    expect(ROLE_NAMES.filter((role) => !roles.has(role))).toEqual([])
    const seen = await q('call', 'admin__fleet_status', '{}')
    expect(JSON.stringify(seen)).toContain('executor')
    const unknown = await cli.run(['call', 'admin__fleet_statsu', '--fleet', FLEET, '--json'])
    expect(unknown.code).toBe(2)
    expect(errorOf(unknown)).toMatchObject({
      code: 'tool_unknown',
      remedy: expect.stringContaining('admin__fleet_status'),
    })
    await eventually('call and scale are audited', async () => {
      const actions = (await q('audit')).audit.map((entry: { action: string }) => entry.action)
      return ['call', 'scale'].every((action) => actions.includes(action))
    })
  }, 60_000)

  test('while halted nothing is signed; resumed, trading goes on', async () => {
    expect(await q('halt', '--reason', 'a test')).toEqual({ halt: { set: true, reason: 'a test' } })
    const halted = await q('status')
    expect(halted.halt).toEqual({ set: true, reason: 'a test' })
    const lastBlock = halted.chain.head + 2 // signed before it, mined at the next block, at the latest at the deadline
    await eventually('four more blocks', async () => (await q('status')).chain.head > lastBlock + 2, 30_000)
    const { events } = await q('events', '--last', '1000')
    const late = events.filter(
      (event: { type: string; block: number }) => event.type === 'execution' && event.block > lastBlock,
    )
    expect(late).toEqual([])
    const before = await executed()
    await pause(2_500)
    expect(await executed()).toBe(before)
    await q('resume')
    await tradesOn(before)
    const actions = (await q('audit')).audit.map((entry: { action: string }) => entry.action)
    expect(actions).toEqual(expect.arrayContaining(['halt', 'resume']))
  }, 120_000)

  test('an agent, a role and the hub can be replaced while trading goes on', async () => {
    const startOf = async (id: string) =>
      (await q('ps')).agents.find((agent: { id: string }) => agent.id === id).startedAt
    const before = await startOf('reviewer-1')
    expect(await q('restart', 'reviewer-1')).toEqual({ restarted: ['reviewer-1'] })
    expect(await startOf('reviewer-1')).not.toBe(before)
    expect(await q('restart', 'planner')).toEqual({ restarted: ['planner-1'] })
    for (const name of ['hub', 'mcp-coordinator']) expect(await q('restart', name)).toEqual({ restarted: ['hub'] })
    await tradesOn(await executed())
    await eventually('all is whole again', async () =>
      (await q('status')).services.every((service: { health: string }) => service.health === 'healthy'),
    )
    expect((await q('tools')).tools.length).toBeGreaterThan(0)
    const unknown = await cli.run(['restart', 'exekutor', '--fleet', FLEET, '--json'])
    expect(unknown.code).toBe(2)
    expect(errorOf(unknown).remedy).toMatch(/executor/)
  }, 120_000)

  test('a second up attaches and says so; its end leaves the fleet', async () => {
    const text = await cli.run(['up', '--fleet', FLEET, '--for', '100ms'])
    expect(text.code).toBe(0)
    expect(text.stderr).toMatch(/runs already \(embedded\); attached to it/)
    const json = await cli.run([...UP, FLEET, '--detach'])
    expect(json.code).toBe(0)
    expect(ndjson(json.stdout)).toContainEqual(
      expect.objectContaining({ type: 'note', message: expect.stringMatching(/runs already/) }),
    )
    expect((await q('status')).roles[0]).toMatchObject({ healthy: 1 })
  }, 60_000)

  test('another engine, chain or manifest is refused for a fleet that runs', async () => {
    const manifest = path.join(cli.folder, 'other.yaml')
    const text = readFileSync(new URL('../../config/fleet.yaml', import.meta.url), 'utf8')
    writeFileSync(manifest, text.replace('planBlocks: 8', 'planBlocks: 9'))
    const others = [
      ['--engine', 'docker'],
      ['--chain', 'http://127.0.0.1:1'],
      ['--chain-id', '5'],
      ['--manifest', manifest],
    ]
    for (const other of others) {
      const done = await cli.run(['up', '--json', '--detach', '--fleet', FLEET, ...other])
      expect(done.code, other.join(' ')).toBe(2)
      expect(errorOf(done)).toMatchObject({
        code: 'fleet_conflict',
        remedy: expect.stringContaining(`--fleet ${FLEET}`),
      })
    }
  }, 60_000)

  test('a host that was killed outright takes its node with it, and the next up keeps history and counts', async () => {
    await q('scale', 'fixer=2', '--wait')
    const before: string[] = (await q('trades', '--last', '1000')).trades.map((trade: { id: string }) => trade.id)
    process.kill(hostOf(FLEET), 'SIGKILL')
    await nothingRuns(FLEET)
    const gone = await cli.run(['status', '--engine', 'embedded', '--fleet', FLEET, '--json'])
    expect(gone.code).toBe(3)
    expect(errorOf(gone).code).toBe('fleet_not_running')
    expect((await cli.run([...UP, FLEET, '--detach'])).code).toBe(0)
    expect((await q('ps', 'fixer')).agents).toHaveLength(2)
    const after: string[] = (await q('trades', '--last', '1000')).trades.map((trade: { id: string }) => trade.id)
    expect(after).toEqual(expect.arrayContaining(before))
    expect(before.length).toBeGreaterThan(0)
  }, 90_000)

  test('a halt outlives down and up; down --volumes leaves nothing', async () => {
    const status = await q('status')
    const ports = (await q('ps')).agents.map((agent: { url: string }) => Number(new URL(agent.url).port))
    ports.push(Number(new URL(status.hubUrl).port))
    await q('halt')
    await q('down')
    await nothingRuns(FLEET)
    for (const port of ports) expect(await isFree(port), `port ${port}`).toBe(true)
    expect((await cli.run([...UP, FLEET, '--detach'])).code).toBe(0)
    expect((await q('status')).halt).toEqual({ set: true, reason: null })
    await q('down', '--volumes')
    await nothingRuns(FLEET)
    expect(() => readFileSync(stateFile(FLEET, 'token'))).toThrow(/ENOENT/)
    expect((await cli.run(['down', '--engine', 'embedded', '--fleet', FLEET, '--json'])).code).toBe(3)
  }, 90_000)
})
