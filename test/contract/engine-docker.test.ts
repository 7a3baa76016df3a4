import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { openDockerEngine } from '../../src/ports/engine/docker.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'
import { openDockerRelay } from '../fixtures/docker-relay.ts'
import { testEngine, until } from './engine.ts'
import { BASE_IMAGE, bareUnit, scriptUnit, testFleet } from './engine-units.ts'

const fleets: string[] = []
const newFleet = (): string => {
  const fleet = testFleet()
  fleets.push(fleet)
  return fleet
}

describeDocker('engine on Docker', () => {
  afterAll(async () => {
    for (const fleet of fleets) await removeContainers(fleet)
  })

  testEngine('docker', async () => {
    const fleet = newFleet()
    const relay = await openDockerRelay()
    const engine = await openDockerEngine({ fleet, host: `unix://${relay.path}` })
    return {
      engine,
      unit: scriptUnit,
      blind: () => relay.cut(),
      close: async () => {
        await engine.close()
        await relay.close()
        await removeContainers(fleet)
      },
    }
  })

  test('a broken event stream comes back and nudges, since something may have happened', async () => {
    const relay = await openDockerRelay()
    const engine = await openDockerEngine({ fleet: newFleet(), host: `unix://${relay.path}` })
    const stop = new AbortController()
    let nudges = 0
    const listening = (async () => {
      for await (const _nudge of engine.changes(stop.signal)) nudges++
    })()
    await pause(1_000) // for the stream to be open
    await relay.cut()
    await until(() => nudges >= 1)
    await pause(600) // several tries in vain, which are no news
    expect(nudges).toBe(1)
    await relay.open()
    await until(() => nudges >= 2)
    stop.abort()
    await listening
    await engine.close()
    await relay.close()
  })

  test('containers are named, labelled and hardened, and carry nothing secret', async () => {
    const fleet = newFleet()
    const engine = await openDockerEngine({ fleet })
    await engine.start({ ...scriptUnit('executor-2', 'serve', 'abcd'), user: '10001:10001' })
    await engine.start({ ...scriptUnit('hub', 'serve', 'abcd'), user: '10001:10001' })
    const [agent, hub] = await inspect(`${fleet}-mcp-executor-2`, `${fleet}-mcp-coordinator`)
    expect(agent.Config.Labels).toMatchObject({
      'arbdeck.fleet': fleet,
      'arbdeck.spec': 'abcd',
      'arbdeck.role': 'executor',
      'arbdeck.replica': '2',
    })
    expect(agent.Config.Labels).not.toHaveProperty('arbdeck.service')
    expect(hub.Config.Labels).toMatchObject({ 'arbdeck.fleet': fleet, 'arbdeck.service': 'hub' })
    expect(hub.Config.Labels).not.toHaveProperty('arbdeck.role')
    const { HostConfig } = agent
    expect(HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: 64,
      Init: true,
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m' } },
    })
    expect(HostConfig.Binds ?? []).toEqual([])
    await engine.close()
  })

  test('units answer on the network to their own name and to the container’s, in any fleet', async () => {
    const fleet = newFleet()
    const engine = await openDockerEngine({ fleet })
    await docker('network', 'create', '--label', `arbdeck.fleet=${fleet}`, `${fleet}-mcpnet`)
    const look =
      "const { lookup } = require('node:dns/promises'); Promise.all(['executor-1', 'mcp-executor-1', 'coordinator', 'hub'].map((name) => lookup(name))).then((all) => console.log('found', new Set(all.map((a) => a.address)).size)); setInterval(() => {}, 1000)"
    await engine.start({ ...scriptUnit('executor-1', 'serve'), networks: ['mcpnet'] })
    await engine.start({ ...scriptUnit('hub', 'serve'), command: ['node', '-e', look], networks: ['mcpnet'] })
    await until(async () => (await messages(engine, 'hub')).includes('found 2'))
    await removeContainers(fleet)
    await docker('network', 'rm', `${fleet}-mcpnet`)
    await engine.close()
  })

  test('a port that is taken is an error that names it, its holder and the way out, and leaves nothing behind', async () => {
    const fleet = newFleet()
    const engine = await openDockerEngine({ fleet })
    const withPort = (id: string, host: number) => ({
      ...scriptUnit(id, 'serve'),
      networks: ['bridge-of-test'],
      ports: [{ container: 80, host }],
    })
    await docker('network', 'create', '--label', `arbdeck.fleet=${fleet}`, `${fleet}-bridge-of-test`)
    await engine.start(withPort('bot', 0))
    const port = (await engine.list())[0]?.ports[80] ?? 0
    expect(port).toBeGreaterThan(0)
    await expect(engine.start(withPort('hub', port))).rejects.toMatchObject({
      code: 'port_taken',
      message: expect.stringContaining(
        `127.0.0.1:${port}, which hub needs, is taken by the container ${fleet}-mcp-bot`,
      ),
      remedy: expect.stringContaining('--hub-port'),
    })
    const squatter = createServer().listen(0, '127.0.0.1')
    await until(() => squatter.listening)
    const { port: taken } = squatter.address() as { port: number }
    await expect(engine.start(withPort('hub', taken))).rejects.toMatchObject({
      code: 'port_taken',
      message: expect.stringContaining(`127.0.0.1:${taken}`),
    })
    squatter.close()
    expect((await engine.list()).map((unit) => unit.id)).toEqual(['bot'])
    await removeContainers(fleet)
    await docker('network', 'rm', `${fleet}-bridge-of-test`)
    await engine.close()
  })

  test('an image that is not there is an error that says which, and how to have it', async () => {
    const engine = await openDockerEngine({ fleet: newFleet() })
    const unit = { ...bareUnit('redis'), image: 'no-such-redis:1' }
    await expect(engine.start(unit)).rejects.toMatchObject({
      code: 'image_unavailable',
      message: expect.stringContaining('no-such-redis:1'),
      remedy: expect.stringContaining('ARBDECK_IMAGE_REDIS'),
    })
    await engine.close()
  })

  test('a container of a stranger that has our name is not touched', async () => {
    const fleet = newFleet()
    const engine = await openDockerEngine({ fleet })
    const name = `${fleet}-mcp-executor-1`
    await docker('create', '--name', name, BASE_IMAGE, 'node')
    await expect(engine.start(scriptUnit('executor-1', 'serve'))).rejects.toMatchObject({ code: 'engine_refused' })
    await engine.stop('executor-1', { graceMs: 0, remove: true })
    expect(await docker('inspect', '--format', '{{.Name}}', name)).toBe(`/${name}`)
    expect(await engine.list()).toEqual([])
    await docker('rm', '--force', name)
    await engine.close()
  })

  test('our own log lines keep their time and level; stderr of others is a warning', async () => {
    const engine = await openDockerEngine({ fleet: newFleet() })
    const own = { at: '2026-01-02T03:04:05.678Z', level: 'error', message: 'ours' }
    const script = `console.log('${JSON.stringify(own)}'); setTimeout(() => console.error('theirs'), 50); setTimeout(() => console.log('x'.repeat(40000)), 100)`
    await engine.start({ ...scriptUnit('executor-1', 'serve'), command: ['node', '-e', script] })
    await until(async () => (await engine.list())[0]?.state === 'exited')
    const lines = []
    for await (const line of engine.logs('executor-1', { tail: 10, follow: false }, new AbortController().signal))
      lines.push(line)
    // Docker reads stdout and stderr apart: on a busy machine it may see the second first.
    expect(lines).toHaveLength(3)
    expect(lines.find(({ message }) => message === 'ours')).toEqual({ ...own, source: 'executor-1' })
    expect(lines.find(({ message }) => message === 'theirs')).toMatchObject({ level: 'warn' })
    expect(lines.map(({ message }) => message.length)).toContain(40_000)
    await engine.close()
  })

  test('a busy container shows its CPU, also between two samples of ours', async () => {
    const engine = await openDockerEngine({ fleet: newFleet() })
    await engine.start({
      ...scriptUnit('executor-1', 'serve'),
      command: ['node', '-e', 'const end = Date.now() + 8000; while (Date.now() < end);'],
    })
    for (let sample = 0; sample < 2; sample++) {
      const { cpuPercent = 0 } = (await engine.usage(['executor-1'])).get('executor-1') ?? {}
      expect(cpuPercent).toBeGreaterThan(2)
      expect(cpuPercent).toBeLessThan(150)
    }
    await engine.close()
  })
})

async function messages(engine: Awaited<ReturnType<typeof openDockerEngine>>, id: string): Promise<string[]> {
  const seen: string[] = []
  for await (const line of engine.logs(id, { tail: 100, follow: false }, new AbortController().signal))
    seen.push(line.message)
  return seen
}

interface Inspected {
  Config: { Labels: Record<string, string> }
  HostConfig: Record<string, unknown>
}

async function inspect(...names: [string, string]): Promise<[Inspected, Inspected]> {
  return JSON.parse(await docker('inspect', ...names))
}

async function removeContainers(fleet: string): Promise<void> {
  const ids = await docker('ps', '--all', '--quiet', '--filter', `label=arbdeck.fleet=${fleet}`)
  if (ids !== '') await docker('rm', '--force', '--volumes', ...ids.split('\n'))
}
