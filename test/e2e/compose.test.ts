import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SERVICE_NAMES } from '../../src/protocol/fleet.ts'
import { build, Cli, eventually } from '../fixtures/cli.ts'
import { fileOf, type Part, ROOT } from '../fixtures/compose.ts'
import { compose, describeCompose } from '../fixtures/compose-command.ts'
import { docker } from '../fixtures/docker.ts'
import { setting } from '../fixtures/env.ts'
import { ROLE_NAMES } from '../fixtures/roles.ts'

const FLEET = 'test-compose-files'
const LABEL = `label=arbdeck.fleet=${FLEET}`
/** Not the order in which they need each other. */
const ORDER: Part[] = ['mcp-agents', 'bot', 'infra', 'mcp-servers']
const containerOf = (id: string) => `${FLEET}-mcp-${id === 'hub' ? 'coordinator' : id}`

interface Container {
  Id: string
  Name: string
  Config: { Labels: Record<string, string>; Env: string[]; User: string }
  HostConfig: Record<string, unknown>
}

const ids = async (...list: string[]) => (await docker(...list, '-q', '--filter', LABEL)).split('\n').filter(Boolean)
const inspect = async (...names: string[]): Promise<Container[]> => JSON.parse(await docker('inspect', ...names))
const left = async () => [...(await ids('ps', '-a')), ...(await ids('volume', 'ls')), ...(await ids('network', 'ls'))]

describeCompose('a fleet of compose files', (command) => {
  let cli: Cli
  let folder: string
  const q = (...args: string[]) => cli.json([...args, '--engine', 'docker', '--fleet', FLEET])
  const up = (part: Part, ...more: string[]) => compose(command, path.join(folder, fileOf(part)), 'up', '-d', ...more)
  /** Of what lives, by the container's name; not of what has done its work. */
  const unitIds = async () => {
    const rows = await docker(
      'ps',
      '-a',
      ...['--filter', LABEL, '--filter', 'label=arbdeck.spec', '--format', '{{.Names}} {{.ID}}'],
    )
    return new Map(rows.split('\n').map((row) => row.split(' ') as [string, string]))
  }

  beforeAll(async () => {
    build()
    cli = new Cli()
    folder = path.join(cli.folder, 'compose')
    // Nobody is to scale it but the test.
    const manifest = path.join(cli.folder, 'fleet.yaml')
    const text = readFileSync(path.join(ROOT, 'config', 'fleet.yaml'), 'utf8')
    writeFileSync(manifest, text.replaceAll(/^ +autoscale:.*\n/gm, ''))
    const how = ['--fleet', FLEET, '--profile', 'mini', '--manifest', manifest, '--output', folder]
    const generated = await cli.run(['generate', ...how])
    expect(generated.code, generated.stderr).toBe(0)
  }, 60_000)
  afterAll(async () => {
    await cli.run(['down', '--volumes', '--engine', 'docker', '--fleet', FLEET], { limitMs: 90_000 }).catch(() => {})
    await cli.close()
    for (const image of [`arbdeck-agent:compose-${FLEET}`, `arbdeck-sandbox:compose-${FLEET}`])
      await docker('rmi', image).catch(() => {})
  }, 120_000)

  test('without .env nothing is started, and what to do is said', async () => {
    for (const part of ORDER)
      await expect(up(part)).rejects.toThrowError(/copy compose\/\.env\.example to compose\/\.env/)
    expect(await left()).toEqual([])
  }, 30_000)

  test('brought up in an order that is none, without arbdeck, it becomes whole and trades', async () => {
    const example = readFileSync(path.join(folder, '.env.example'), 'utf8')
    const env = example.replaceAll(/^(ARBDECK_IMAGE_[A-Z]+)=(.*)$/gm, (_, name, ref) => `${name}=${setting(name, ref)}`)
    writeFileSync(path.join(folder, '.env'), env)
    for (const part of ORDER) await up(part, '--build')
    const made = [...(await unitIds()).keys()].sort()
    expect(made).toEqual([...ROLE_NAMES.map((role) => `${role}-1`), ...SERVICE_NAMES].map(containerOf).sort())
    await eventually(
      'all is healthy, and a trade is executed',
      async () => {
        const { roles, services, trades } = await q('status').catch(() => ({ roles: [], services: [] }))
        const agents = roles.filter((role: { want: number; healthy: number }) => role.want === 1 && role.healthy === 1)
        const well = services.filter((service: { health: string }) => service.health === 'healthy')
        return agents.length === 10 && well.length === SERVICE_NAMES.length && trades.executed > 0
      },
      90_000,
    ).catch(async (late: Error) => {
      const words = ['logs', '--tail', '5']
      const init = await docker(...words, ...(await ids('ps', '-a', '--filter', 'name=wanted-init')))
      throw new Error(
        `${late.message}; wanted-init: ${init}; controller: ${await docker(...words, containerOf('controller'))}`,
      )
    })
  }, 200_000)

  test('arbdeck adopts it: another agent is made as compose made the others, and none of these is replaced', async () => {
    const before = await unitIds()
    await q('scale', 'reviewer=+1', '--wait')
    const after = await unitIds()
    expect([...after.keys()].filter((name) => !before.has(name))).toEqual([containerOf('reviewer-2')])
    for (const [name, id] of before) expect(after.get(name), name).toBe(id)
    const [composed, ours] = await inspect(containerOf('reviewer-1'), containerOf('reviewer-2'))
    expect(hostOf(composed)).toEqual(hostOf(ours))
    const variables = (one: Container | undefined) =>
      one?.Config.Env.filter((pair) => !pair.startsWith('AGENT_PORT=')).sort()
    expect(variables(composed)).toEqual(variables(ours))
  }, 60_000)

  test('every container is hardened, and no secret is in what docker tells of it', async () => {
    await q('status')
    const secrets = Object.values(
      JSON.parse(readFileSync(path.join(cli.state, 'arbdeck', FLEET, 'secrets.json'), 'utf8')),
    )
    expect(secrets.length).toBeGreaterThanOrEqual(6)
    const all = await inspect(...(await ids('ps', '-a')))
    for (const one of all) {
      const { ReadonlyRootfs, CapDrop, SecurityOpt, PidsLimit, Memory, MemorySwap, Privileged } = one.HostConfig
      expect({ ReadonlyRootfs, CapDrop, SecurityOpt, Privileged, MemorySwap }, one.Name).toEqual({
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Privileged: false,
        MemorySwap: Memory,
      })
      expect(Number(PidsLimit) > 0 && Number(Memory) > 0, one.Name).toBe(true)
      const root = one.Name === `/${containerOf('controller')}` || one.Name.includes('secrets-init')
      expect(/^0|^root|^$/.test(one.Config.User), one.Name).toBe(root)
    }
    const told = [
      JSON.stringify(all),
      await docker('volume', 'inspect', ...(await ids('volume', 'ls'))),
      ...(await Promise.all(all.map(({ Id }) => docker('logs', Id)))),
    ].join('\n')
    expect(secrets.filter((secret) => told.includes(String(secret)))).toEqual([])
  }, 60_000)

  test('an agent that was killed is replaced, and compose still takes it for its own', async () => {
    const before = await unitIds()
    await docker('kill', containerOf('planner-1'))
    await eventually('planner-1 is another', async () => {
      const id = (await unitIds()).get(containerOf('planner-1'))
      return id !== undefined && id !== before.get(containerOf('planner-1'))
    })
    const replaced = await unitIds()
    for (const part of ORDER) await up(part)
    expect(await unitIds()).toEqual(replaced)
  }, 90_000)

  test('down --volumes leaves nothing of it', async () => {
    await q('down', '--volumes')
    expect(await left()).toEqual([])
    for (const list of [
      ['ps', '-a'],
      ['volume', 'ls'],
      ['network', 'ls'],
    ])
      expect(await docker(...list, '-q', '--filter', `label=com.docker.compose.project=${FLEET}`)).toBe('')
  }, 90_000)
})

/** What the two ways of creating a container say alike, in one form. */
function hostOf(container: Container | undefined) {
  const { Binds: _binds, VolumesFrom: _from, CapAdd, Mounts, ...host } = container?.HostConfig ?? {}
  const mounts = (Mounts as { Source: string; Target: string; ReadOnly?: boolean }[]) ?? []
  return {
    ...host,
    CapAdd: CapAdd ?? [],
    Mounts: mounts.map(({ Source, Target, ReadOnly = false }) => `${Source} ${Target} ${ReadOnly}`).sort(),
  }
}
