import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeSecrets } from '../../../src/fleet/secrets.ts'
import { fleetUnits } from '../../../src/fleet/units.ts'
import { composeService } from '../../../src/ports/engine/docker/compose.ts'
import { profileCounts, SERVICE_NAMES } from '../../../src/protocol/fleet.ts'
import {
  type ComposeFile,
  fileOf,
  generate,
  PARTS_OF_FLEET,
  ROOT,
  readCompose,
  readEnv,
  type Service,
} from '../../fixtures/compose.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'
import { runCommand } from '../../fixtures/run-command.ts'
import { testWanted } from '../../fixtures/wanted.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-compose-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const written = (options: Parameters<typeof generate>[0] = {}): ComposeFile[] => {
  generate(options, folder)
  return PARTS_OF_FLEET.map((part) => readCompose(folder, part))
}
const servicesOf = (files: readonly ComposeFile[]): Map<string, Service> =>
  new Map(files.flatMap((file) => Object.entries(file.services)))
const isInit = (name: string) => name.includes('-init')

/** The fleet that wanted-init would write. */
function wantedOf(services: ReadonlyMap<string, Service>, fleet = 'arbdeck') {
  const env = services.get('wanted-init')?.environment ?? {}
  const images = Object.fromEntries(
    Object.entries(env).flatMap(([name, ref]) =>
      name.startsWith('ARBDECK_IMAGE_') ? [[name.slice(14).toLowerCase(), ref]] : [],
    ),
  )
  const { spec } = testWanted()
  const hubPort = Number(env.ARBDECK_HUB_PORT)
  return testWanted({ fleet, images, live: true, hubPort, counts: profileCounts(spec, 'full'), profile: 'full' })
}

test('the committed files are as generate writes them now', () => {
  const stale = generate({}, undefined, true).filter(({ state }) => state !== 'current')
  expect(stale.map(({ file, state }) => `${path.relative(ROOT, file)} is ${state}: run arbdeck generate`)).toEqual([])
})

test('the same manifest is the same text, and what is there is left alone', () => {
  expect(generate({}, folder).map(({ state }) => state)).toEqual(Array(5).fill('written'))
  expect(generate({}, folder).map(({ state }) => state)).toEqual(Array(5).fill('current'))
})

test('a folder that cannot be made is told at once, also where the file system says that it is not there', () => {
  for (const where of ['/proc/arbdeck/compose', path.join(folder, 'file', 'compose')]) {
    appendFileSync(path.join(folder, 'file'), 'x')
    expect(() => generate({}, where)).toThrowError(
      expect.objectContaining({ code: 'conflict', remedy: expect.stringContaining('--output') }),
    )
  }
})

test('--check writes nothing, names what is stale or missing, and fails', async () => {
  generate({}, folder)
  appendFileSync(path.join(folder, fileOf('bot')), '# by hand\n')
  rmSync(path.join(folder, '.env.example'))
  const files = generate({}, folder, true)
  const old = files.filter(({ state }) => state !== 'current').map(({ file, state }) => [path.basename(file), state])
  expect(old).toEqual([
    [fileOf('bot'), 'stale'],
    ['.env.example', 'missing'],
  ])
  const ran = await runCommand(['generate', '--check', '--json'], { launcher: { generate: async () => files } })
  expect(ran.code).toBe(1)
  expect(JSON.parse(ran.stderr).error).toMatchObject({ code: 'files_stale', remedy: expect.stringMatching(/generate/) })
  for (const name of [fileOf('bot'), '.env.example']) expect(ran.stderr).toContain(name)
})

test('--output and --check reach the one who writes', async () => {
  const asked: unknown[] = []
  const write = async (_options: unknown, how: unknown) =>
    [asked.push(how)].map(() => ({ file: 'a', state: 'written' as const }))
  const ran = await runCommand(['generate', '--output', 'elsewhere', '--json'], { launcher: { generate: write } })
  expect(asked).toEqual([{ output: 'elsewhere', check: false }])
  expect(JSON.parse(ran.stdout)).toEqual({ files: [{ file: 'a', state: 'written' }] })
})

test('every unit of the full fleet is a service of one file, and is what the engine would create', () => {
  const services = servicesOf(written())
  const units = fleetUnits(wantedOf(services))
  expect(units).toHaveLength(SERVICE_NAMES.length + 111)
  for (const unit of units) {
    const made = composeService('arbdeck', unit, '/var/run/docker.sock')
    const {
      depends_on: _after,
      profiles: _profiles,
      build: _build,
      pull_policy: _pull,
      ...service
    } = services.get(made.container_name) ?? expect.fail(`there is no ${unit.id}`)
    // Which port Redis gets is the engine's affair.
    expect(service, unit.id).toEqual(JSON.parse(JSON.stringify(made).replaceAll('$$', '$')))
  }
  expect([...services.keys()].filter((name) => !isInit(name))).toHaveLength(units.length)
})

test('a hash of a label is the one of the fleet that .env describes, whatever images and port it names', () => {
  generate({ fleet: 'other', hubPort: 3100 }, folder)
  const services = servicesOf(PARTS_OF_FLEET.map((part) => readCompose(folder, part)))
  for (const unit of fleetUnits(wantedOf(services, 'other')))
    expect(services.get(`mcp-${unit.id === 'hub' ? 'coordinator' : unit.id}`)?.labels['arbdeck.spec']).toBe(
      unit.specHash,
    )
  expect(services.get('mcp-coordinator')).toMatchObject({
    ports: ['127.0.0.1:3100:3000'],
    container_name: 'other-mcp-coordinator',
  })
})

test.each(['mini', 'standard', 'full'] as const)('the profile %s has exactly its agents', (profile) => {
  const agents = Object.values(readCompose(path.join(ROOT, 'compose'), 'mcp-agents').services).filter(
    ({ labels, profiles }) => labels['arbdeck.role'] !== undefined && (profiles?.includes(profile) ?? true),
  )
  const counts = profileCounts(testWanted().spec, profile)
  for (const role of ROLE_NAMES)
    expect(agents.filter(({ labels }) => labels['arbdeck.role'] === role)).toHaveLength(counts[role] ?? 0)
})

test('the four files are one system: what they share they declare alike, by name, and none takes it for somebody else’s', () => {
  const files = written()
  for (const kind of ['networks', 'volumes'] as const) {
    const seen = new Map<string, string>()
    for (const [key, value] of files.flatMap((file) => Object.entries(file[kind]))) {
      expect(seen.get(key) ?? JSON.stringify(value)).toBe(JSON.stringify(value))
      seen.set(key, JSON.stringify(value))
      expect(value).toMatchObject({ name: key, labels: { 'arbdeck.fleet': 'arbdeck' } })
      expect(value).not.toHaveProperty('external')
    }
  }
  for (const file of files) {
    expect(Object.keys(file.networks)).toContain('mcpnet')
    const mounted = Object.values(file.services).flatMap(({ volumes }) =>
      volumes.filter(({ type }) => type === 'volume'),
    )
    expect([...new Set(mounted.map(({ source }) => source))].sort()).toEqual(Object.keys(file.volumes))
    for (const [name, service] of Object.entries(file.services))
      if (!name.startsWith('secrets-init'))
        expect(service.depends_on, name).toMatchObject({
          [Object.keys(file.services)[0] as string]: { condition: 'service_completed_successfully' },
        })
  }
  const env = readEnv(path.join(folder, '.env.example'))
  expect(Object.fromEntries(env)).toMatchObject({ COMPOSE_PROJECT_NAME: 'arbdeck', COMPOSE_PROFILES: 'standard' })
})

test('every container is hardened, the helpers too', () => {
  for (const [name, service] of servicesOf(written())) {
    expect(service, name).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges'] })
    for (const limit of ['mem_limit', 'memswap_limit', 'pids_limit']) expect(service[limit], name).toBeTruthy()
    expect(service.cpus ?? service.cpu_quota, name).toBeGreaterThan(0)
    expect(service.privileged ?? service.cap_add ?? [], name).toEqual(
      name.startsWith('secrets-init')
        ? ['CHOWN', 'DAC_OVERRIDE', 'FOWNER']
        : name === 'mcp-controller'
          ? ['SETUID', 'SETGID']
          : [],
    )
    if (name.startsWith('secrets-init')) expect(service).toMatchObject({ network_mode: 'none', user: '0:0' })
    for (const port of (service.ports ?? []) as string[]) expect(port).toMatch(/^127\.0\.0\.1:/)
  }
})

test('no file holds a secret, a way into this machine or a registry’s name', () => {
  written()
  for (const name of [...PARTS_OF_FLEET.map(fileOf), '.env.example']) {
    const text = readFileSync(path.join(ROOT, 'compose', name), 'utf8')
    expect(text).not.toMatch(/password[=:]\s*\S|requirepass|:\/\/[^/\s]*:[^/\s]*@/i)
    expect(text).not.toContain(ROOT)
    expect(text).not.toMatch(/image:.*\.(io|com|org)\b/)
    for (const file of Object.keys(makeSecrets())) expect(text).not.toContain(`${file}:`)
  }
})

test('another chain than the practice market is refused in words', () => {
  expect(() => generate({ chain: 'https://node.example' }, folder)).toThrowError(
    expect.objectContaining({ code: 'unsupported', remedy: expect.stringContaining('arbdeck up --chain') }),
  )
})
