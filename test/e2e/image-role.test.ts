import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { BASE_IMAGE } from '../contract/engine-units.ts'
import { build, Cli, eventually } from '../fixtures/cli.ts'
import { describeDocker, docker } from '../fixtures/docker.ts'

const FLEET = 'test-e2e-image'
const IMAGE = 'arbdeck-test/prices:1'
const SECRET = 'the-key-of-the-prices'
const container = `${FLEET}-mcp-prices-1`

/** The committed manifest with a role that runs the image, and no more agents of ours than there must be. */
function manifestText(): string {
  const manifest = parse(readFileSync(new URL('../../config/fleet.yaml', import.meta.url), 'utf8'))
  for (const role of Object.values<{ min?: number; counts: { mini: number } }>(manifest.roles))
    role.counts.mini = role.min ?? 0
  manifest.roles.prices = {
    description: 'Prices of elsewhere',
    priority: 'low',
    counts: { mini: 1, standard: 1, full: 1 },
    max: 2,
    memoryMb: 64,
    pids: 32,
    capabilities: ['prices'],
    image: { ref: IMAGE, command: ['--depth', '5'], port: 8080 },
    environment: { GREETING: 'hello' },
    volumes: [{ name: 'prices', target: '/data' }],
    secrets: ['prices-key'],
  }
  return JSON.stringify(manifest, null, 1)
}

describeDocker('a role that is an image of somebody else', () => {
  let cli: Cli
  let up: string[]
  const q = (...args: string[]) => cli.json([...args, '--fleet', FLEET])

  beforeAll(async () => {
    build()
    cli = new Cli()
    const folder = fileURLToPath(new URL('../fixtures/prices-image', import.meta.url))
    await docker('build', '-q', '-t', IMAGE, '--build-arg', `BASE=${BASE_IMAGE}`, folder)
    const manifest = path.join(cli.folder, 'fleet.yaml')
    writeFileSync(manifest, manifestText())
    mkdirSync(path.join(cli.folder, 'secrets'))
    up = ['up', '--detach', '--fleet', FLEET, '--profile', 'mini', '--manifest', manifest, '--json']
  }, 60_000)
  afterAll(async () => {
    await cli.run(['down', '--volumes', '--engine', 'docker', '--fleet', FLEET])
    await cli.close([FLEET])
    await docker('image', 'rm', '-f', IMAGE)
  }, 90_000)

  const error = async (...args: string[]) => {
    const { code, stderr } = await cli.run([...up, ...args])
    expect(code, stderr).toBe(2)
    return JSON.parse(stderr.trim().split('\n').at(-1) ?? '').error
  }

  test('is refused by the embedded engine, in words', async () => {
    expect(await error('--engine', 'embedded')).toMatchObject({
      code: 'unsupported',
      message: 'the role prices runs an image, and the embedded engine runs none',
      remedy: expect.stringContaining('--engine docker'),
    })
  })

  test('wants its secrets: the role and the file are named', async () => {
    expect(await error('--engine', 'docker', '--secrets-dir', path.join(cli.folder, 'secrets'))).toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('the secret prices-key of prices is not there'),
    })
    expect(await error('--engine', 'docker')).toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('prices-key of prices'),
      remedy: expect.stringContaining('--secrets-dir'),
    })
  }, 60_000)

  test('runs beside our own, and its tools are listed and called through the hub', async () => {
    writeFileSync(path.join(cli.folder, 'secrets', 'prices-key'), SECRET)
    const secrets = ['--secrets-dir', path.join(cli.folder, 'secrets')]
    const done = await cli.run([...up, '--engine', 'docker', ...secrets], { limitMs: 120_000 })
    expect(done.code, done.stderr).toBe(0)
    const { agents } = await q('ps', 'prices')
    expect(agents).toMatchObject([{ id: 'prices-1', role: 'prices', state: 'healthy' }])
    const { tools } = await q('tools')
    expect(tools).toContainEqual(expect.objectContaining({ name: 'prices__look', description: 'What it sees.' }))
    expect(await q('call', 'prices__look')).toMatchObject({
      ...{ arguments: ['--depth', '5'], user: '10001:10001', secret: SECRET, secrets: ['prices-key'], ours: false },
      ...{ root: 'EROFS', project: 'EROFS', data: 'written', environment: { GREETING: 'hello' } },
    })
  }, 120_000)

  test('is hardened as our own are, and has nothing of ours', async () => {
    const [seen] = JSON.parse(await docker('inspect', container))
    expect(seen.Config.Labels).toMatchObject({
      'arbdeck.fleet': FLEET,
      'arbdeck.role': 'prices',
      'arbdeck.replica': '1',
    })
    expect(seen.Config.Env.filter((line: string) => /ARBDECK|_URL|TOKEN/.test(line))).toEqual([])
    expect(seen.Mounts.map(({ Name }: { Name: string }) => Name).sort()).toEqual([
      `${FLEET}-prices`,
      `${FLEET}-project`,
      `${FLEET}-secrets-role-prices`,
    ])
    expect(Object.keys(seen.NetworkSettings.Networks)).toEqual([`${FLEET}-mcpnet`])
    expect(seen.HostConfig).toMatchObject({
      ...{ ReadonlyRootfs: true, CapDrop: ['ALL'], Init: true, Privileged: false, PidsLimit: 32 },
      ...{ Memory: 64 * 1024 * 1024, NanoCpus: 1_000_000_000, SecurityOpt: ['no-new-privileges'] },
    })
    expect(JSON.stringify(seen)).not.toContain(SECRET)
  })

  test('is brought back when it was killed, and scaled as others are', async () => {
    await docker('kill', container)
    await eventually(
      'it is called again',
      async () => (await cli.run(['call', 'prices__look', '--fleet', FLEET])).code === 0,
      40_000,
    )
    await q('scale', 'prices=2', '--wait')
    expect((await q('ps', 'prices')).agents).toHaveLength(2)
    await q('scale', 'prices=0', '--wait')
    expect((await q('tools')).tools.filter(({ name }: { name: string }) => name.startsWith('prices'))).toEqual([])
  }, 90_000)
})
