import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { openDockerEngine } from '../../src/ports/engine/docker.ts'
import { openDockerProvisioner } from '../../src/ports/engine/docker-provision.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'
import { openDockerRelay } from '../fixtures/docker-relay.ts'
import { until } from './engine.ts'
import { scriptUnit, testFleet } from './engine-units.ts'

const fleets: string[] = []
const newFleet = (): string => {
  const fleet = testFleet()
  fleets.push(fleet)
  return fleet
}

describeDocker('how units on Docker are shut in, and watched', () => {
  afterAll(async () => {
    for (const fleet of fleets) {
      const ids = await docker('ps', '--all', '--quiet', '--filter', `label=arbdeck.fleet=${fleet}`)
      if (ids !== '') await docker('rm', '--force', '--volumes', ...ids.split('\n'))
      await (await openDockerProvisioner({ fleet })).removeNetworks()
    }
  })

  test('a closed network leads nowhere, a published one to its own machine, an open one out; both with one more', async () => {
    const fleet = newFleet()
    const [engine, provisioner] = [await openDockerEngine({ fleet }), await openDockerProvisioner({ fleet })]
    for (const reach of ['closed', 'published', 'open'] as const) await provisioner.ensureNetwork(reach, reach)
    const here = createServer((socket) => socket.end())
    await new Promise<void>((resolve) => here.listen(0, '0.0.0.0', resolve))
    const { port } = here.address() as { port: number }
    const machine = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
    const own = machine.find(
      ({ family, internal, address }) => family === 'IPv4' && !internal && !/^172\./.test(address),
    )
    const dial = `const s = require('node:net').connect({ host: '${own?.address}', port: ${port}, timeout: 2000 }); const end = (word) => { console.log(word); s.destroy() }; s.on('connect', () => end('reached')).on('error', () => end('not')).on('timeout', () => end('not')); process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)`
    const on = (id: string, networks: string[], more = {}) =>
      engine.start({ ...scriptUnit(id, 'serve'), command: ['node', '-e', dial], networks, ...more })
    await on('planner-1', ['closed'])
    await on('executor-1', ['closed', 'open'], { reachesOut: true })
    await on('hub', ['closed', 'published'], { ports: [{ container: 80, host: 0 }] })
    const said = async (id: string) => {
      const lines: string[] = []
      await until(async () => {
        for await (const line of engine.logs(id, { tail: 1, follow: false }, new AbortController().signal))
          lines.push(line.message)
        return lines.length > 0
      })
      return lines[0]
    }
    expect(await Promise.all(['planner-1', 'executor-1', 'hub'].map(said))).toEqual(['not', 'reached', 'reached'])
    expect((await engine.list()).find(({ id }) => id === 'hub')?.ports[80]).toBeGreaterThan(0)
    const [planner, executor] = await inspected(`${fleet}-mcp-planner-1`, `${fleet}-mcp-executor-1`)
    expect([planner.HostConfig.Dns, executor.HostConfig.Dns ?? []]).toEqual([['0.0.0.0'], []])
    here.close()
    for (const id of ['planner-1', 'executor-1', 'hub']) await engine.stop(id, { graceMs: 0, remove: true })
    await provisioner.removeNetworks()
    await engine.close()
  })

  test('cores, processes and the time to end are limited as described, cores by what the machine has', async () => {
    const fleet = newFleet()
    const engine = await openDockerEngine({ fleet })
    const cores = Number(await docker('info', '--format', '{{.NCPU}}'))
    await engine.start({ ...scriptUnit('executor-1', 'serve'), cpus: 0.5, pids: 99, graceMs: 2_500 })
    await engine.start({ ...scriptUnit('executor-2', 'serve'), cpus: 64 })
    const [half, all] = await inspected(`${fleet}-mcp-executor-1`, `${fleet}-mcp-executor-2`)
    expect(half).toMatchObject({ HostConfig: { NanoCpus: 5e8, PidsLimit: 99 }, Config: { StopTimeout: 3 } })
    expect(all).toMatchObject({ HostConfig: { NanoCpus: cores * 1e9 }, Config: { StopTimeout: 10 } })
    await engine.close()
  })

  test('who watches inspects what is new alone, and sees each change all the same', async () => {
    const fleet = newFleet()
    const relay = await openDockerRelay()
    const engine = await openDockerEngine({ fleet, host: `unix://${relay.path}` })
    const name = `${fleet}-mcp-executor-1`
    const one = async (id = 'executor-1') => (await engine.list()).find((unit) => unit.id === id)
    await engine.start(scriptUnit('executor-1', 'serve'))
    const first = await one()
    await one()
    await pause(500) // for the stream to be open
    await one()
    const id = await docker('inspect', '--format', '{{.Id}}', name)
    relay.requests.length = 0
    for (let look = 0; look < 3; look++) expect(await one()).toEqual(first)
    await engine.start(scriptUnit('executor-2', 'serve'))
    await until(async () => (await one('executor-2'))?.state === 'running')
    const inspections = () => relay.requests.filter((line) => /^GET \/containers\/[0-9a-f]{64}\/json/.test(line))
    expect(inspections().some((line) => !line.includes(id))).toBe(true)
    expect(inspections().filter((line) => line.includes(id))).toEqual([])
    await docker('restart', '--time', '1', name) // the same container, running before and after
    await until(async () => (await one())?.startedAt !== first?.startedAt)
    await docker('update', '--memory', '96m', '--memory-swap', '96m', name)
    await until(async () => (await one())?.memoryLimitBytes === 96 * 2 ** 20)
    await docker('kill', name)
    await until(async () => (await one())?.exitCode === 137)
    await engine.close()
    await relay.close()
  })

  test('what units use is read from the kernel, and where it cannot be, asked of the daemon at most every ten seconds', async () => {
    const fleet = newFleet()
    const relay = await openDockerRelay()
    const open = (more: object) => openDockerEngine({ fleet, host: `unix://${relay.path}`, ...more })
    const [reading, asking] = [await open({}), await open({ cgroupRoots: [] })]
    await reading.start(scriptUnit('executor-1', 'serve'))
    const stats = () => relay.requests.filter((line) => line.includes('/stats'))
    const read = (await reading.usage(['executor-1', 'executor-2'])).get('executor-1')
    expect(stats()).toEqual([])
    const asked = await asking.usage(['executor-1', 'executor-2'])
    const once = stats().length
    expect(once).toBe(1)
    expect([...asked.keys()]).toEqual(['executor-1'])
    const { memoryBytes = 0 } = asked.get('executor-1') ?? {}
    expect(Math.abs(memoryBytes - (read?.memoryBytes ?? 0))).toBeLessThan(4 * 2 ** 20)
    const began = performance.now()
    let looks = 0
    for (; performance.now() - began < 2_000; looks++) await asking.usage(['executor-1'])
    expect(looks).toBeGreaterThan(10)
    expect(stats().length - once).toBeLessThanOrEqual(2)
    for (const engine of [reading, asking]) await engine.close()
    await relay.close()
  })
})

interface Inspected {
  Config: Record<string, unknown>
  HostConfig: Record<string, unknown>
}

async function inspected(...names: [string, string]): Promise<[Inspected, Inspected]> {
  return JSON.parse(await docker('inspect', ...names))
}
