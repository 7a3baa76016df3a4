import { expect, test } from 'vitest'
import { makeSecrets, readSecrets, secretVolumes, withoutKeys } from '../../../src/fleet/secrets.ts'
import type { Provisioner, VolumeFill } from '../../../src/ports/engine/provision.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { LimitsSchema } from '../../../src/protocol/fleet.ts'
import { decode } from '../../../src/protocol/json.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const { limits } = testWanted().spec
const secrets = makeSecrets()
const fills = secretVolumes('test', secrets, { limits })
const text = (level: string, name: string, from = fills) =>
  from
    .find((fill) => fill.volume === `test-secrets-${level}`)
    ?.files.find((file) => file.name === name)
    ?.content.toString()
const holds = (level: string, secret: string) =>
  fills
    .find((fill) => fill.volume === `test-secrets-${level}`)
    ?.files.some((file) => file.content.toString().includes(secret))

test('no two secrets, and no two fleets, are alike, and each has 32 random bytes', () => {
  const many = [...Object.values(secrets), ...Object.values(makeSecrets())]
  expect(new Set(many).size).toBe(12)
  for (const secret of many) expect(secret).toMatch(/^[\w-]{43}$|^[0-9a-f]{64}$/)
})

test.each([
  [
    'infra',
    { operatorToken: false, agentToken: false, redisPassword: true, postgresPassword: true, practiceSeed: false },
  ],
  [
    'rabbitmq',
    { operatorToken: false, agentToken: false, redisPassword: false, rabbitmqPassword: true, practiceSeed: false },
  ],
  [
    'agents',
    { operatorToken: false, agentToken: true, redisPassword: true, rabbitmqPassword: true, practiceSeed: false },
  ],
  ['executors', { operatorToken: false, agentToken: true, redisPassword: true, practiceSeed: true }],
  ['operator', { operatorToken: true, agentToken: true, redisPassword: true, practiceSeed: false }],
] as const)('the level %s knows what it may and nothing more', (level, knows) => {
  for (const [name, expected] of Object.entries(knows))
    expect(holds(level, secrets[name as keyof typeof secrets]), name).toBe(expected)
})

test('the servers are told their passwords by configuration that holds them', () => {
  expect(text('infra', 'redis.conf')).toContain(`requirepass ${secrets.redisPassword}\n`)
  expect(text('infra', 'redis.conf')).toContain('appendonly yes\n')
  expect(text('rabbitmq', '10-arbdeck.conf')).toContain(`default_pass = ${secrets.rabbitmqPassword}\n`)
  expect(text('rabbitmq', '10-arbdeck.conf')).toContain('vm_memory_high_watermark.absolute')
})

test('executors find their limits where nobody whom they bind can change them', () => {
  expect(decode(LimitsSchema, JSON.parse(text('executors', 'limits.json') ?? ''), 'limits')).toEqual(limits)
  const files = fills.flatMap((fill) => fill.files)
  for (const file of files) expect(file.mode & 0o222).toBe(0)
})

test('the URL of a node and the keys of executors go only where they are needed', () => {
  const more = secretVolumes('test', secrets, {
    limits,
    rpcUrl: 'https://node.example/key',
    executorKeys: ['0x01', '0x02'],
    submitUrl: 'https://private.example/key',
  })
  expect(text('agents', 'rpc-url', more)).toBe('https://node.example/key')
  expect(text('executors', 'rpc-url', more)).toBe('https://node.example/key')
  expect(text('operator', 'rpc-url', more)).toBeUndefined()
  expect(text('executors', 'executor-keys', more)).toBe('0x01\n0x02\n')
  expect(text('agents', 'executor-keys', more)).toBeUndefined()
  expect(text('executors', 'submit-url', more)).toBe('https://private.example/key')
  expect(text('agents', 'submit-url', more)).toBeUndefined()
  expect(text('agents', 'executor-keys')).toBeUndefined()
})

test('no keys are written as an empty file, which replaces those of before; without a word they stay', () => {
  const none = secretVolumes('test', secrets, { limits, executorKeys: [] })
  expect([text('executors', 'executor-keys', none), text('executors', 'submit-url', none)]).toEqual(['', ''])
  expect(text('executors', 'executor-keys')).toBeUndefined()
  const { volume, files } = withoutKeys('test')
  expect(volume).toBe('test-secrets-executors')
  expect(files.map((file) => [file.name, file.content.length])).toEqual([
    ['executor-keys', 0],
    ['submit-url', 0],
  ])
})

test('what was filled is read back whole', async () => {
  expect(await readSecrets(volumesOf(fills), 'test', 'base')).toEqual(secrets)
})

test('a fleet with no volumes, or only half of them, has no secrets', async () => {
  expect(await readSecrets(volumesOf([]), 'test', 'base')).toBeUndefined()
  const half = fills.filter((fill) => !fill.volume.endsWith('executors'))
  expect(await readSecrets(volumesOf(half), 'test', 'base')).toBeUndefined()
})

test('an engine that cannot be reached is an error, not a fleet without secrets', async () => {
  const readVolume = async () => {
    throw new FleetError('engine_unreachable', 'gone', { remedy: 'Start it.' })
  }
  await expect(readSecrets({ readVolume } as unknown as Provisioner, 'test', 'base')).rejects.toMatchObject({
    code: 'engine_unreachable',
  })
})

/** Volumes as they would be after fillVolumes. */
function volumesOf(filled: readonly VolumeFill[]): Provisioner {
  const readVolume: Provisioner['readVolume'] = async (volume, names) => {
    const fill = filled.find((each) => each.volume === volume)
    if (!fill) throw new FleetError('not_found', 'no such volume', { remedy: 'Make it.' })
    return new Map(fill.files.filter((file) => names.includes(file.name)).map((file) => [file.name, file.content]))
  }
  return { readVolume } as Provisioner
}
