import { describe, expect, test } from 'vitest'
import { refuseImages } from '../../../src/fleet/image-role.ts'
import { roleFills } from '../../../src/fleet/role-volumes.ts'
import { agentUnit } from '../../../src/fleet/units.ts'
import type { Wanted } from '../../../src/protocol/fleet.ts'
import { RoleSpecSchema } from '../../../src/protocol/role-spec.ts'
import { testWanted } from '../../fixtures/wanted.ts'

function wantedWith(prices: object, count = 1): Wanted {
  const wanted = testWanted({ fleet: 'test' })
  const role = RoleSpecSchema.parse({
    ...{ description: 'Prices', priority: 'low', max: 4, memoryMb: 64, capabilities: ['prices'], cpus: 0.5, pids: 32 },
    ...{ counts: { mini: 1, standard: 1, full: 1 }, graceSeconds: 3, image: { ref: 'example/prices:1', port: 8080 } },
    ...prices,
  })
  const spec = { ...wanted.spec, roles: { ...wanted.spec.roles, prices: role } }
  return { ...wanted, spec, counts: { ...wanted.counts, prices: count } }
}

describe('the unit of a role that is any image', () => {
  const unit = agentUnit(
    'prices',
    2,
    wantedWith({
      image: { ref: 'example/prices:1', port: 8080, command: ['--depth', '5'], user: '2000' },
      environment: { GREETING: 'hello' },
      volumes: [{ name: 'prices', target: '/data' }],
      secrets: ['key'],
    }),
  )

  test('runs what the manifest says, under the names of every agent, as hardened as ours', () => {
    expect(unit).toMatchObject({
      ...{ id: 'prices-2', unit: { kind: 'agent', role: 'prices', replica: 2 }, image: 'example/prices:1' },
      ...{ command: ['--depth', '5'], user: '2000', readOnlyRoot: true, tmpfs: ['/tmp'], ports: [] },
      ...{ memoryBytes: 64 * 1024 * 1024, cpus: 0.5, pids: 32, graceMs: 3_000, networks: ['mcpnet'] },
    })
    expect(unit).not.toHaveProperty('capAdd')
    expect(unit).not.toHaveProperty('reachesOut')
  })

  test('has nothing of ours: no setting, no secret, the project to read alone', () => {
    expect(unit.env).toEqual({ GREETING: 'hello' })
    expect(unit.mounts).toEqual([
      { volume: 'test-project', target: '/project', readOnly: true },
      { volume: 'test-prices', target: '/data', readOnly: false },
      { volume: 'test-secrets-role-prices', target: '/run/secrets', readOnly: true },
    ])
  })

  test('is another one when the manifest says another thing of it, and not when it says it of another role', () => {
    const hash = (prices: object, change: Partial<Wanted> = {}) =>
      agentUnit('prices', 1, { ...wantedWith(prices), ...change }).specHash
    const same = hash({})
    expect(hash({}, { specHash: 'another', chainId: 5, counts: {} })).toBe(same)
    for (const change of [
      { pids: 33 },
      { environment: { A: 'b' } },
      { image: { ref: 'example/prices:2', port: 8080 } },
    ])
      expect(hash(change)).not.toBe(same)
  })
})

test('a role of ours gets what the manifest says as well, and what is ours cannot be taken away', () => {
  const wanted = testWanted({ fleet: 'test' })
  const planner = wanted.spec.roles.planner as NonNullable<(typeof wanted.spec.roles)[string]>
  const roles = {
    ...wanted.spec.roles,
    planner: { ...planner, secrets: ['key'], environment: { A: 'b', MEMORY_URL: 'x' } },
  }
  const unit = agentUnit('planner', 1, { ...wanted, spec: { ...wanted.spec, roles } })
  expect(unit.env).toMatchObject({ A: 'b', MEMORY_URL: 'redis://redis:6379' })
  expect(unit.mounts).toContainEqual({ volume: 'test-secrets-role-planner', target: '/run/secrets', readOnly: true })
})

test('each role finds its own secrets alone, readable to its user alone; shared volumes are for whoever has them', () => {
  const { spec } = wantedWith({
    image: { ref: 'x', port: 1, user: '2000:3000' },
    volumes: [{ name: 'v', target: '/v' }],
  })
  const fills = roleFills('test', spec, new Map([['prices', new Map([['key', Buffer.from('value')]])]]))
  expect(fills).toEqual([
    { volume: 'test-project', files: [], mode: 0o1777 },
    { volume: 'test-v', files: [], mode: 0o1777 },
    {
      volume: 'test-secrets-role-prices',
      files: [{ name: 'key', content: Buffer.from('value'), mode: 0o400, uid: 2000, gid: 3000 }],
    },
  ])
})

test('the embedded engine refuses agents of images, and takes a manifest that has none of them there', () => {
  const { spec, counts } = wantedWith({})
  expect(() => refuseImages(spec, counts)).toThrow(/the role prices runs an image, and the embedded engine runs none/)
  expect(() => refuseImages(spec, { ...counts, prices: 0 })).not.toThrow()
})
