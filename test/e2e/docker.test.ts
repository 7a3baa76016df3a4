import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SERVICE_NAMES } from '../../src/protocol/fleet.ts'
import { StatusSchema } from '../../src/protocol/snapshot.ts'
import { build, Cli, eventually, ndjson } from '../fixtures/cli.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'
import { idsOf, tracesOf } from '../fixtures/docker-traces.ts'
import { hardeningTests } from '../fixtures/hardening.ts'
import { ROLE_NAMES } from '../fixtures/roles.ts'

const FLEET = 'test-e2e-docker'
const LABEL = `label=arbdeck.fleet=${FLEET}`
const NAMED: Record<string, string> = { hub: 'coordinator' }
const containerOf = (id: string) => `${FLEET}-mcp-${NAMED[id] ?? id}`

interface Container {
  Name: string
  State: { Running: boolean; ExitCode: number }
  Config: { Labels: Record<string, string> }
  HostConfig: { PortBindings: Record<string, { HostIp: string }[]> | null; Privileged: boolean }
  NetworkSettings: { Ports: Record<string, { HostIp: string }[] | null> }
  Mounts: { Source: string; Destination: string }[]
}

const ids = (...list: string[]) => idsOf(FLEET, ...list)
const containers = async (): Promise<Container[]> => JSON.parse(await docker('inspect', ...(await ids('ps', '-a'))))
const left = async () => [...(await ids('ps', '-a')), ...(await ids('volume', 'ls')), ...(await ids('network', 'ls'))]

async function removeLeftovers(): Promise<void> {
  for (const [list, remove] of [
    [
      ['ps', '-a'],
      ['rm', '-f', '-v'],
    ],
    [
      ['volume', 'ls'],
      ['volume', 'rm', '-f'],
    ],
    [
      ['network', 'ls'],
      ['network', 'rm'],
    ],
  ] as const) {
    const found = await ids(...list)
    if (found.length > 0) await docker(...remove, ...found)
  }
}

describeDocker('a fleet on Docker', () => {
  let cli: Cli
  const q = (...args: string[]) => cli.json([...args, '--fleet', FLEET])
  const executed = async (): Promise<number> => (await q('status')).trades.executed
  const tradesOn = (from: number) =>
    eventually('another trade is executed', async () => (await executed()) > from, 60_000)
  const whole = () =>
    eventually(
      'all is healthy',
      async () => {
        const { roles, services } = await q('status')
        const agents = roles.every((role: { want: number; healthy: number }) => role.healthy === role.want)
        return agents && services.every((service: { health: string }) => service.health === 'healthy')
      },
      60_000,
    )

  beforeAll(async () => {
    build()
    cli = new Cli()
    await removeLeftovers()
  }, 60_000)
  afterAll(async () => {
    await cli.close([FLEET])
    await removeLeftovers()
  }, 120_000)

  test('up makes it and it trades, each trade paying what was predicted; the fleet stays', async () => {
    const up = ['up', '--engine', 'docker', '--profile', 'mini', '--json', '--fleet', FLEET]
    const done = await cli.run([...up, '--until', 'executed=1', '--timeout', '170s'], { limitMs: 180_000 })
    expect(done.code, done.stderr).toBe(0)
    const events = ndjson(done.stdout)
    expect(events.at(-1)).toMatchObject({ type: 'summary', until: 'executed=1', held: true })
    for (const event of events) expect(Number.isNaN(Date.parse(event.at)), JSON.stringify(event)).toBe(false)
    const executions = events.filter((event) => event.type === 'execution')
    expect(executions.length).toBeGreaterThan(0)
    for (const { profitWei, predictedWei } of executions) expect(profitWei).toBe(predictedWei)
  }, 200_000)

  test('every agent and service is a container with the names and labels of the contract', async () => {
    const found = new Map((await containers()).map((one) => [one.Name.slice(1), one]))
    const agents = ROLE_NAMES.map((role) => `${role}-1`)
    expect([...found.keys()].sort()).toEqual([...agents, ...SERVICE_NAMES].map(containerOf).sort())
    for (const [name, { State, Config }] of found) {
      expect(State.Running, name).toBe(true)
      expect(Config.Labels).toMatchObject({
        'arbdeck.fleet': FLEET,
        'arbdeck.spec': expect.stringMatching(/^[0-9a-f]{12}@/),
      })
    }
    for (const role of ROLE_NAMES)
      expect(found.get(containerOf(`${role}-1`))?.Config.Labels).toMatchObject({
        'arbdeck.role': role,
        'arbdeck.replica': '1',
      })
    for (const service of SERVICE_NAMES) {
      const labels = found.get(containerOf(service))?.Config.Labels
      expect(labels).toMatchObject({ 'arbdeck.service': service })
      expect(labels).not.toHaveProperty('arbdeck.role')
    }
    const networks = (await docker('network', 'ls', '--format', '{{.Name}}', '--filter', LABEL)).split('\n')
    expect(networks.sort()).toEqual(['chain', 'edge', 'mcpnet'].map((name) => `${FLEET}-${name}`))
  })

  test('only the controller has the engine’s socket, and ports are published on 127.0.0.1 alone', async () => {
    for (const { Name, Mounts, HostConfig, NetworkSettings } of await containers()) {
      const sockets = Mounts.filter((mount) => /docker\.sock/.test(mount.Source + mount.Destination))
      expect(sockets.length, Name).toBe(Name === `/${containerOf('controller')}` ? 1 : 0)
      expect(HostConfig.Privileged).toBe(false)
      const published = Object.values(NetworkSettings.Ports).flatMap((bindings) => bindings ?? [])
      const asked = Object.values(HostConfig.PortBindings ?? {}).flat()
      for (const { HostIp } of [...published, ...asked]) expect(HostIp, Name).toBe('127.0.0.1')
      if (!/-mcp-(coordinator|redis)$/.test(Name)) expect(published, Name).toEqual([])
    }
  })

  hardeningTests(FLEET)

  test('no secret is in an inspection, an image, an argument, a label or a log', async () => {
    const secrets = JSON.parse(readFileSync(path.join(cli.state, 'arbdeck', FLEET, 'secrets.json'), 'utf8'))
    const values = Object.values(secrets) as string[]
    expect(values.length).toBeGreaterThanOrEqual(6)
    const seen = await tracesOf(FLEET)
    for (const value of values) expect(value.length).toBeGreaterThanOrEqual(32)
    expect(values.filter((value) => seen.some((text) => text.includes(value)))).toEqual([])
  }, 60_000)

  test('the commands work on it', async () => {
    await whole()
    const status = await q('status')
    StatusSchema.parse(status)
    expect(status).toMatchObject({ fleet: FLEET, engine: 'docker', profile: 'mini', chain: { sandbox: true } })
    expect(status.roles.every((role: { cpuPercent: unknown; memoryBytes: number }) => role.memoryBytes > 0)).toBe(true)
    expect((await q('ps')).agents).toHaveLength(10)
    expect(
      ndjson((await cli.run(['logs', '--role', 'executor', '--tail', '5', '--fleet', FLEET, '--json'])).stdout).at(0),
    ).toMatchObject({ type: 'log', source: 'executor-1' })
    expect((await q('opportunities')).opportunities[0].profitWei).toMatch(/^\d+$/)
    const { trades } = await q('trades')
    expect(trades.find((trade: { state: string }) => trade.state === 'executed')).toMatchObject({ exact: true })
    expect((await q('tasks')).tasks.length).toBeGreaterThan(5)
    expect((await q('events', '--last', '3')).events).toHaveLength(3)
    const roles = new Set((await q('tools')).tools.map((tool: { name: string }) => tool.name.split('__')[0]))
    expect(ROLE_NAMES.filter((role) => !roles.has(role))).toEqual([])
    expect(JSON.stringify(await q('call', 'admin__fleet_status'))).toContain('executor')
  }, 60_000)

  test('scale goes up and down, audited; halt stops the signing', async () => {
    await q('scale', 'executor=2', '--wait')
    expect(await docker('inspect', '--format', '{{.State.Running}}', containerOf('executor-2'))).toBe('true')
    await q('halt', '--reason', 'a test')
    const last = (await q('status')).chain.head + 2
    await q('scale', 'executor=-1', '--wait')
    await expect(docker('inspect', containerOf('executor-2'))).rejects.toThrow()
    await eventually('three more blocks', async () => (await q('status')).chain.head > last + 1, 30_000)
    const { events } = await q('events', '--last', '1000')
    expect(
      events.filter((event: { type: string; block: number }) => event.type === 'execution' && event.block > last),
    ).toEqual([])
    await q('resume')
    await eventually('all is audited', async () => {
      const actions = (await q('audit')).audit.map((entry: { action: string }) => entry.action)
      return ['scale', 'halt', 'resume', 'call'].every((action) => actions.includes(action))
    })
  }, 90_000)

  test('a controller that is killed while it scales leaves a fleet that the next command has made as wanted', async () => {
    await q('scale', 'fixer=4', 'reviewer=2')
    await docker('kill', containerOf('controller'))
    await q('scale', 'fixer=2', '--wait')
    expect((await q('ps', 'fixer')).agents).toHaveLength(2)
    expect((await q('ps', 'reviewer')).agents).toHaveLength(2)
    expect((await q('status', '--plan')).plan).toEqual([])
    await q('scale', '--profile', 'mini', '--wait')
  }, 60_000)

  test('an agent that hangs is replaced, and why is told', async () => {
    const before = await docker('inspect', '--format', '{{.Id}}', containerOf('ui_coder-1'))
    await docker('pause', containerOf('ui_coder-1'))
    const told = async () => (await q('status')).failures.find((one: { id: string }) => one.id === 'ui_coder-1')
    await eventually('it is told', async () => (await told()) !== undefined, 50_000)
    expect(await told()).toMatchObject({ cause: expect.stringMatching(/^hangs: /), count: 1 })
    await whole()
    expect(await docker('inspect', '--format', '{{.Id}}', containerOf('ui_coder-1'))).not.toBe(before)
  }, 90_000)

  test('agent and hub are brought back when they were killed, and trading goes on meanwhile', async () => {
    const before = await executed()
    await docker('kill', containerOf('planner-1'), containerOf('hub'))
    await tradesOn(before)
    await whole()
    expect((await q('tools')).tools.length).toBeGreaterThan(0)
  }, 120_000)

  test('a command finds it without the state folder of the one who made it, and up attaches', async () => {
    const other = { env: { XDG_STATE_HOME: path.join(cli.folder, 'other') } }
    const status = await cli.json(['status', '--engine', 'docker', '--fleet', FLEET], other)
    expect(status).toMatchObject({ fleet: FLEET, engine: 'docker' })
    const up = await cli.run(['up', '--fleet', FLEET, '--detach'])
    expect(up.code).toBe(0)
    expect(up.stderr).toMatch(/runs already \(docker\); attached to it/)
    expect((await cli.run(['up', '--engine', 'embedded', '--fleet', FLEET, '--json'])).code).toBe(2)
  }, 60_000)

  test('stopped and started again it keeps history, counts and halt', async () => {
    await q('scale', 'fixer=2', '--wait')
    const before: string[] = (await q('trades', '--last', '1000')).trades.map((trade: { id: string }) => trade.id)
    await q('halt', '--reason', 'stays')
    await q('stop')
    const stopped = await containers()
    expect(stopped.filter((one) => one.State.Running)).toEqual([])
    const agents = stopped.filter((one) => one.Config.Labels['arbdeck.role'] !== undefined)
    for (const { Name, State } of agents) expect(State.ExitCode, `${Name} did not end in order`).toBe(0)
    expect((await cli.run(['status', '--fleet', FLEET, '--json'])).code).toBe(3)
    const up = await cli.run(['up', '--json', '--detach', '--engine', 'docker', '--fleet', FLEET], { limitMs: 90_000 })
    expect(up.code, up.stderr).toBe(0)
    expect((await q('ps', 'fixer')).agents).toHaveLength(2)
    expect((await q('status')).halt).toEqual({ set: true, reason: 'stays' })
    const after: string[] = (await q('trades', '--last', '1000')).trades.map((trade: { id: string }) => trade.id)
    expect(before.length).toBeGreaterThan(0)
    expect(after).toEqual(expect.arrayContaining(before))
  }, 150_000)

  test('down --volumes leaves nothing', async () => {
    await q('down', '--volumes')
    expect(await left()).toEqual([])
    expect((await cli.run(['status', '--engine', 'docker', '--fleet', FLEET, '--json'])).code).toBe(3)
  }, 60_000)
})
