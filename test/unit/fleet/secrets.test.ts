import { expect, test } from 'vitest'
import { makeSecrets, readSecrets, secretVolumes, withoutKeys } from '../../../src/fleet/secrets.ts'
import type { Provisioner, VolumeFill } from '../../../src/ports/engine/provision.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { decode } from '../../../src/protocol/json.ts'
import { LimitsSchema } from '../../../src/protocol/limits.ts'
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

const EACH = {
  redis: ['redisPassword'],
  rabbitmq: ['rabbitmqPassword'],
  postgres: ['postgresPassword'],
  controller: ['redisPassword', 'rabbitmqPassword'],
  operator: ['operatorToken', 'agentToken', 'redisPassword', 'rabbitmqPassword', 'postgresPassword'],
  sandbox: ['redisPassword', 'practiceSeed'],
  bot: ['redisPassword', 'rabbitmqPassword'],
  agents: ['agentToken', 'redisPassword', 'rabbitmqPassword', 'postgresPassword'],
  readers: ['agentToken', 'redisPassword', 'rabbitmqPassword', 'postgresPassword'],
  executors: ['agentToken', 'redisPassword', 'rabbitmqPassword', 'postgresPassword', 'practiceSeed'],
} as const

test('each level knows exactly what it may', () => {
  expect(fills.map(({ volume }) => volume)).toEqual(Object.keys(EACH).map((level) => `test-secrets-${level}`))
  for (const [level, known] of Object.entries(EACH)) {
    const held = Object.entries(secrets).filter(([, secret]) => holds(level, secret))
    expect(held.map(([name]) => name).sort(), level).toEqual([...known].sort())
  }
})

test('the servers are told their passwords by configuration that holds them', () => {
  expect(text('redis', 'redis.conf')).toContain(`requirepass ${secrets.redisPassword}\n`)
  expect(text('redis', 'redis.conf')).toContain('appendonly yes\n')
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
  const who = (name: string) => Object.keys(EACH).filter((level) => text(level, name, more) !== undefined)
  expect(who('rpc-url')).toEqual(['bot', 'readers', 'executors'])
  expect(who('executor-keys')).toEqual(['executors'])
  expect(who('submit-url')).toEqual(['executors'])
  expect(text('executors', 'rpc-url', more)).toBe('https://node.example/key')
  expect(text('executors', 'executor-keys', more)).toBe('0x01\n0x02\n')
  expect(text('executors', 'submit-url', more)).toBe('https://private.example/key')
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
