import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseSpec } from '../../../src/fleet/spec.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { RoleSpecSchema } from '../../../src/protocol/role-spec.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'

const good = readFileSync(new URL('../../../config/fleet.yaml', import.meta.url), 'utf8')

/** A role as people write one; each test changes what it is about. */
const IMAGE_ROLE = {
  description: 'Fetches prices',
  priority: 'low',
  counts: { mini: 1, standard: 1, full: 1 },
  max: 2,
  memoryMb: 64,
  capabilities: ['prices'],
  image: { ref: 'example/prices:1', port: 8080 },
}

/** Faults of the committed manifest with one more role. */
function faultsOf(name: string, role: object): string[] {
  const manifest = parse(good)
  manifest.roles[name] = role
  try {
    parseSpec(JSON.stringify(manifest, null, 1), 'm', ROLE_NAMES)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FleetError)
    return (thrown as FleetError).message
      .split('\n')
      .slice(1)
      .map((line) => line.replace(/^m:\d+: /, ''))
  }
  return []
}

test('an image that speaks MCP is a role, with nothing said but what cannot be known', () => {
  expect(faultsOf('prices', IMAGE_ROLE)).toEqual([])
  const manifest = parse(good)
  manifest.roles.prices = IMAGE_ROLE
  const { prices } = parseSpec(JSON.stringify(manifest), 'm', ROLE_NAMES).roles
  expect(prices).toMatchObject({
    image: { transport: 'streamable-http', path: '/mcp', command: [], user: '10001:10001' },
    ...{ min: 0, cpus: 1, pids: 64, graceSeconds: 10, volumes: [], environment: {}, secrets: [] },
  })
})

test('all faults of a role are told at once, each with its line', () => {
  const manifest = parse(good)
  manifest.roles.prices = { ...IMAGE_ROLE, min: 2, cpus: 0, environment: { ARBDECK_X: 'y' }, image: { port: 0 } }
  const text = JSON.stringify(manifest, null, 1)
  const lineOf = (part: string) => text.split('\n').findLastIndex((line) => line.includes(part)) + 1
  let said = ''
  try {
    parseSpec(text, 'm', ROLE_NAMES)
  } catch (thrown) {
    said = (thrown as Error).message
  }
  for (const [part, fault] of [
    ['"mini": 1', 'roles.prices.counts.mini is 1, below min 2; lower min or raise it'],
    ['"cpus": 0', 'roles.prices.cpus: '],
    ['"ARBDECK_X"', 'roles.prices.environment.ARBDECK_X is set by arbdeck itself; remove it'],
    ['"port": 0', 'roles.prices.image.port: '],
    ['"image"', 'roles.prices.image.ref is missing; want string'],
  ] as const)
    expect(said).toContain(`m:${lineOf(part)}: ${fault}`)
})

describe('a role is refused when', () => {
  const own = (name: string, over: object) => ({ ...parse(good).roles[name], ...over })
  const image = (over: object) => ({ ...IMAGE_ROLE, image: { ...IMAGE_ROLE.image, ...over } })
  test.each<[string, string, object, RegExp]>([
    ['its name is that of a service', 'redis', IMAGE_ROLE, /^roles\.redis has the name of a service/],
    ['its name holds what parts role and tool', 'a__b', IMAGE_ROLE, /^roles\.a__b has __/],
    ['its name ends with _', 'prices_', IMAGE_ROLE, /^roles\.prices_ has __ or an _ at its end/],
    ['its name is none', 'Prices-1', IMAGE_ROLE, /^roles\.Prices-1: want 2 to 31 lower-case letters/],
    [
      'it is one of ours and an image',
      'planner',
      own('planner', { image: IMAGE_ROLE.image }),
      /planner\.image is refused/,
    ],
    [
      'it is neither',
      'nowhere',
      { ...IMAGE_ROLE, image: undefined },
      /^roles\.nowhere is none of our own roles; give it an image$/,
    ],
    [
      'it is one of ours without a port',
      'planner',
      own('planner', { firstPort: undefined }),
      /planner\.firstPort is missing/,
    ],
    ['a stage of every trade', 'planner', undefined as never, /^roles\.planner/],
    ['min is above max', 'prices', { ...IMAGE_ROLE, min: 3 }, /prices\.min is 3, above max 2/],
    [
      'a rule has no cause',
      'prices',
      { ...IMAGE_ROLE, autoscale: {} },
      /prices\.autoscale has no cause to act on; give queuePerAgent/,
    ],
    [
      'a rule can never act',
      'prices',
      { ...IMAGE_ROLE, autoscale: { queuePerAgent: 1 } },
      /queuePerAgent never acts: prices has no queue/,
    ],
    [
      'a rule leaves the bounds',
      'prices',
      { ...IMAGE_ROLE, autoscale: { cpuPercent: 1, min: 3 } },
      /autoscale\.min is 3, outside 0 to 2/,
    ],
    ['its image is none', 'prices', image({ ref: 'Not An Image' }), /prices\.image\.ref is no image/],
    [
      'its user is root',
      'prices',
      image({ user: '0:0' }),
      /prices\.image\.user: want UID or UID:GID, numeric and not 0/,
    ],
    ['its path is none', 'prices', image({ path: 'mcp' }), /prices\.image\.path: want a path that begins with \//],
    [
      'a value is a number',
      'prices',
      { ...IMAGE_ROLE, environment: { DEPTH: 5 } },
      /environment\.DEPTH: want text: put the value in quotes/,
    ],
    [
      'a value is true or false',
      'prices',
      { ...IMAGE_ROLE, environment: { DEBUG: true } },
      /environment\.DEBUG: want text/,
    ],
    [
      'a setting is ours',
      'planner',
      own('planner', { environment: { MEMORY_URL: 'x' } }),
      /environment\.MEMORY_URL is set by arbdeck/,
    ],
    [
      'a secret is a value',
      'prices',
      { ...IMAGE_ROLE, secrets: ['KEY=abc'] },
      /secrets\.0: want the name of a file of --secrets-dir, never its value/,
    ],
    [
      'a volume is ours',
      'prices',
      { ...IMAGE_ROLE, volumes: [{ name: 'redis', target: '/data' }] },
      /volumes\.0 is named redis, as one of the fleet's own/,
    ],
    [
      'a volume holds secrets',
      'prices',
      { ...IMAGE_ROLE, volumes: [{ name: 'secrets-infra', target: '/data' }] },
      /one of the fleet's own/,
    ],
    [
      'a target is taken',
      'prices',
      { ...IMAGE_ROLE, volumes: [{ name: 'x', target: '/run/secrets/y' }] },
      /and \/run is taken/,
    ],
    [
      'a target climbs',
      'prices',
      { ...IMAGE_ROLE, volumes: [{ name: 'x', target: '/data/../etc' }] },
      /without \. and \.\./,
    ],
    [
      'two volumes are at one place',
      'prices',
      {
        ...IMAGE_ROLE,
        volumes: [
          { name: 'x', target: '/a' },
          { name: 'y', target: '/a/' },
        ],
      },
      /volumes\.1 is put at \/a\/, where another one is/,
    ],
  ])('%s', (_why, name, role, fault) => {
    expect(faultsOf(name, role).filter((line) => fault.test(line))).toHaveLength(1)
  })

  test.each([
    'ab'.repeat(32),
    'sk-proj-abc123def456',
    'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
    'eyJhbGciOiJIUzI1NiJ9',
    'AKIAIOSFODNN7EXAMPLE',
    'dGhpc0lzQVNlY3JldDEyMzQ1Njc',
  ])('a secret looks like one: %s', (secret) => {
    const faults = faultsOf('prices', { ...IMAGE_ROLE, secrets: [secret] })
    expect(faults).toEqual([expect.stringContaining('looks like the secret itself')])
    expect(faults.join()).not.toContain(secret)
  })

  test('but no name of a file does', () => {
    const names = [
      'api-key',
      'github-token',
      'prices.key',
      'TLS_CERT.pem',
      'sk-live',
      'a_long_name_of_a_file_2024.json',
    ]
    expect(faultsOf('prices', { ...IMAGE_ROLE, secrets: names })).toEqual([])
  })
})

test('references that docker run takes are images', () => {
  for (const ref of [
    'redis',
    'redis:7',
    'ghcr.io/a/b:1.2',
    'localhost:5000/a_b/c__d:x',
    `r.io/x@sha256:${'0'.repeat(64)}`,
  ])
    expect(faultsOf('prices', { ...IMAGE_ROLE, image: { ref, port: 1 } }), ref).toEqual([])
})

test('every field of a role says in the schema what it is', () => {
  const silent = Object.entries(RoleSpecSchema.shape).filter(([, field]) => !field.description)
  expect(silent.map(([name]) => name)).toEqual([])
})
