import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fleetNetworks } from '../../../src/fleet/networks.ts'
import { makeSecrets, secretVolumes } from '../../../src/fleet/secrets.ts'
import { agentUnit, fleetUnits, serviceUnit } from '../../../src/fleet/units.ts'
import { SERVICE_NAMES } from '../../../src/protocol/fleet.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const wanted = testWanted()
const all = fleetUnits(wanted)
const unit = (id: string) => all.find((each) => each.id === id) ?? expect.fail(`there is no ${id}`)
const volumes = (id: string) => unit(id).mounts.filter((mount) => mount.volume.includes('-secrets-'))

test('a fleet is its services in the order of their start, and then every wanted replica', () => {
  const counts = { ...wanted.counts, executor: 3, admin: 0 }
  const ids = fleetUnits(testWanted({ counts })).map((each) => each.id)
  expect(ids.slice(0, SERVICE_NAMES.length)).toEqual([...SERVICE_NAMES])
  expect(ids.filter((id) => id.startsWith('executor-'))).toEqual(['executor-1', 'executor-2', 'executor-3'])
  expect(ids).not.toContain('admin-1')
  expect(ids).toHaveLength(7 + 11)
})

test('on a chain that is not the sandbox there is none', () => {
  expect(fleetUnits(testWanted({ chain: 'https://node.example' })).map((each) => each.id)).not.toContain('sandbox')
})

test('each of our processes mounts the one secrets volume of its level of trust, read-only', () => {
  const level = (id: string) => volumes(id).map((mount) => [mount.volume, mount.readOnly])
  const own = ['redis', 'rabbitmq', 'postgres', 'sandbox', 'controller', 'bot']
  for (const id of own) expect(level(id), id).toEqual([[`arbdeck-secrets-${id}`, true]])
  expect(level('executor-1')).toEqual([['arbdeck-secrets-executors', true]])
  expect(level('hub')).toEqual([['arbdeck-secrets-operator', true]])
  for (const id of ['code_indexer-1', 'test_writer-1', 'fixer-1', 'reviewer-1'])
    expect(level(id), id).toEqual([['arbdeck-secrets-readers', true]])
  for (const id of ['builder-1', 'planner-1', 'coordinator-1', 'admin-1', 'ui_coder-1'])
    expect(level(id), id).toEqual([['arbdeck-secrets-agents', true]])
})

test('each is on the networks that the table of trust gives it, and only a node outside leads out', () => {
  const chain = ['code_indexer-1', 'test_writer-1', 'executor-1', 'fixer-1', 'reviewer-1', 'bot', 'sandbox']
  for (const changes of [{}, { chain: 'https://node.example' }])
    for (const { id, networks, reachesOut } of fleetUnits(testWanted(changes))) {
      const more = chain.includes(id) ? ['chain'] : ['hub', 'redis'].includes(id) ? ['edge'] : []
      expect(networks, id).toEqual(['mcpnet', ...more])
      expect(reachesOut ?? false, id).toBe(chain.includes(id) && 'chain' in changes)
    }
  expect(fleetNetworks({ chain: 'sandbox' })).toEqual([
    { name: 'mcpnet', reach: 'closed' },
    { name: 'chain', reach: 'closed' },
    { name: 'edge', reach: 'published' },
  ])
  expect(fleetNetworks({ chain: 'https://node.example' })[1]).toEqual({ name: 'chain', reach: 'open' })
})

test('a role is on the network of the chain exactly when its code asks for the chain', () => {
  const folder = new URL('../../../agent/roles/', import.meta.url)
  for (const role of ROLE_NAMES) {
    const source = readFileSync(new URL(`${role.replace('_', '-')}.ts`, folder), 'utf8')
    expect(/\brpc\b/i.test(source), role).toBe(unit(`${role}-1`).networks.includes('chain'))
  }
})

test('the node listens on its address of the chain’s network, by a name that is known there alone', () => {
  expect(unit('sandbox').env).toMatchObject({ SANDBOX_HOST: 'sandbox.chain', SANDBOX_URL: 'ws://sandbox.chain:8545' })
})

test('every agent has the shared project, to write; nobody else has', () => {
  for (const { id, unit: kind, mounts } of all) {
    const project = mounts.filter((mount) => mount.target === '/project')
    const expected = { volume: 'arbdeck-project', target: '/project', readOnly: false }
    expect(project, id).toEqual(kind.kind === 'agent' ? [expected] : [])
  }
})

test('every volume of secrets that is mounted is one that is filled, with the files that its unit names', () => {
  const fills = secretVolumes('arbdeck', makeSecrets(), { limits: wanted.spec.limits })
  for (const { volume, target } of all.flatMap((each) => volumes(each.id))) {
    expect(fills.map((fill) => fill.volume)).toContain(volume)
    expect(['/run/arbdeck/secrets', '/etc/rabbitmq/conf.d']).toContain(target)
  }
  const files = (id: string) =>
    fills
      .find((fill) => fill.volume === `arbdeck-secrets-${id}`)
      ?.files.map((file) => `/run/arbdeck/secrets/${file.name}`)
  expect(files('redis')).toContain(unit('redis').command[1])
  expect(files('postgres')).toContain(unit('postgres').env.POSTGRES_PASSWORD_FILE)
})

test('nobody is root but the controller, which has two capabilities and, alone, the socket of Docker', () => {
  for (const each of all) {
    const controller = each.id === 'controller'
    expect(each.dockerSocket ?? false).toBe(controller)
    expect(each.capAdd ?? []).toEqual(controller ? ['SETUID', 'SETGID'] : [])
    expect(each.readOnlyRoot).toBe(true)
    if (controller) expect(each.user).toBe('0:0')
    else if (each.image === 'agent:1' || each.image === 'sandbox:1') expect(each.user).toBe('10001:10001')
    else expect(each.user).toBe(each.id)
  }
})

test('no secret is in what docker inspect shows', () => {
  const secrets = makeSecrets()
  const shown = JSON.stringify(all)
  for (const secret of Object.values(secrets)) expect(shown).not.toContain(secret)
  expect(shown).not.toMatch(/password=|requirepass|:\/\/[^"/]*:[^"/]*@/i)
})

test('every unit has limits of cores, processes and memory, and time to end', () => {
  for (const { id, cpus, pids, memoryBytes, graceMs } of all) {
    expect(cpus, id).toBeGreaterThan(0)
    expect(pids, id).toBeGreaterThanOrEqual(64)
    expect(memoryBytes, id).toBeGreaterThan(0)
    expect(graceMs, id).toBeGreaterThanOrEqual(1_000)
  }
})

test('every process has a memory limit, and a heap that fits in it', () => {
  for (const each of all) {
    const limit = each.memoryBytes ?? 0
    expect(limit).toBeGreaterThanOrEqual(64 * 2 ** 20)
    const heap = Number(/--max-old-space-size=(\d+)/.exec(each.env.NODE_OPTIONS ?? '')?.[1] ?? 0)
    if (each.image === 'agent:1' || each.image === 'sandbox:1') expect(heap).toBeGreaterThanOrEqual(32)
    expect(heap * 2 ** 20).toBeLessThan(limit)
  }
})

test('replica n listens on the first port of its role + n - 1; only hub and Redis are published', () => {
  expect(agentUnit('executor', 3, wanted).env.AGENT_PORT).toBe('3163')
  expect(agentUnit('executor', 3, wanted).command).toEqual(['agent', '--role', 'executor', '--replica', '3'])
  expect(all.filter((each) => each.ports.length > 0).map((each) => each.id)).toEqual(['redis', 'hub'])
  expect(serviceUnit('hub', testWanted({ hubPort: 3100 })).ports).toEqual([{ container: 3000, host: 3100 }])
  expect(serviceUnit('redis', wanted, { redisPort: 6379 }).ports).toEqual([{ container: 6379, host: 6379 }])
})

test('the hash is the same for the same description, whatever the order of its keys and where Redis is published', () => {
  const shuffled = JSON.parse(
    JSON.stringify(wanted, (_key, value) => (typeof value === 'bigint' ? value.toString() : value)),
  )
  const reversed = Object.fromEntries(
    Object.entries({ ...wanted, images: Object.fromEntries(Object.entries(wanted.images).reverse()) }).reverse(),
  )
  expect(fleetUnits(reversed as typeof wanted)).toEqual(all)
  expect(fleetUnits({ ...shuffled, spec: wanted.spec })).toEqual(all)
  expect(serviceUnit('redis', wanted, { redisPort: 6379 }).specHash).toBe(unit('redis').specHash)
  for (const each of all) expect(each.specHash).toMatch(/^[0-9a-f]{12}@[\w:]+( \d+)?$/)
  expect(new Set(all.map((each) => each.specHash)).size).toBe(all.length)
})

test.each([
  [
    'another image',
    { images: { ...wanted.images, agent: 'agent:2' } },
    ['executor-1', 'hub', 'bot'],
    ['redis', 'sandbox'],
  ],
  ['another manifest', { specHash: 'other' }, ['executor-1', 'bot'], ['redis', 'postgres', 'sandbox', 'hub']],
  ['another port of the hub', { hubPort: 3100 }, ['hub'], ['executor-1', 'controller']],
  ['another seed', { seed: '2' }, ['sandbox'], ['executor-1', 'bot']],
  ['other counts', { counts: { ...wanted.counts, executor: 9 } }, [], ['executor-1', 'hub', 'redis']],
])('%s makes other containers of those whom it concerns, and of nobody else', (_what, changes, concerned, spared) => {
  const changed = fleetUnits(testWanted(changes))
  const hashOf = (id: string) => changed.find((each) => each.id === id)?.specHash
  for (const id of concerned) expect(hashOf(id), id).not.toBe(unit(id).specHash)
  for (const id of spared) expect(hashOf(id), id).toBe(unit(id).specHash)
})

test('fleets share no volume', () => {
  const other = fleetUnits(testWanted({ fleet: 'other' }))
  const names = (units: typeof all) => new Set(units.flatMap((each) => each.mounts.map((mount) => mount.volume)))
  expect([...names(other)].filter((name) => names(all).has(name))).toEqual([])
})

test('a wanted fleet without an image is an error that says which', () => {
  expect(() => fleetUnits(testWanted({ images: {} }))).toThrowError(
    expect.objectContaining({ code: 'malformed', message: expect.stringContaining('redis') }),
  )
})
