import { expect, test } from 'vitest'
import { embeddedUnits } from '../../../src/launch/embedded-units.ts'
import { type WantedInputs, writeWanted } from '../../../src/launch/wanted.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import { HaltSchema, profileCounts, WantedSchema } from '../../../src/protocol/fleet.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const { spec } = testWanted()
const inputs = (changes: Partial<WantedInputs> = {}): WantedInputs => ({
  fleet: 'test',
  engine: 'embedded',
  profile: undefined,
  spec,
  chain: 'sandbox',
  chainId: 31337,
  hubPort: 3000,
  usualHubPort: 3000,
  seed: '1',
  chainIdGiven: false,
  running: false,
  images: {},
  ...changes,
})
const memoryOf = () => openMemory('embedded:', { fleet: 'test' })
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0)

test('a new fleet is mini when embedded and standard on Docker, unless told, and is what is in memory', async () => {
  for (const [engine, profile, agents] of [
    ['embedded', 'mini', 10],
    ['docker', 'standard', 21],
  ] as const) {
    const memory = await memoryOf()
    const wanted = await writeWanted(memory, inputs({ engine }))
    expect([wanted.profile, sum(wanted.counts)]).toEqual([profile, agents])
    expect((await readAs(memory, keys.wanted, WantedSchema))?.value).toEqual(wanted)
  }
  expect(sum((await writeWanted(await memoryOf(), inputs({ profile: 'full' }))).counts)).toBe(111)
})

test('counts that an operator set stay, until a profile is given', async () => {
  const memory = await memoryOf()
  const first = await writeWanted(memory, inputs({ profile: 'standard' }))
  await memory.write(keys.wanted, { ...first, counts: { ...first.counts, executor: 7 } })
  const again = await writeWanted(memory, inputs({ seed: '2' }))
  expect(again).toMatchObject({ profile: 'standard', seed: '2' })
  expect(again.counts.executor).toBe(7)
  const told = await writeWanted(memory, inputs({ profile: 'mini' }))
  expect(told.counts).toEqual(profileCounts(spec, 'mini'))
})

test('the halt is written once, as not set, and never lifted by a start', async () => {
  const memory = await memoryOf()
  const halt = async () => (await readAs(memory, keys.halt, HaltSchema))?.value
  await writeWanted(memory, inputs())
  expect(await halt()).toMatchObject({ set: false, by: 'up' })
  await memory.write(keys.halt, { set: true, reason: 'odd', by: 'operator', at: new Date().toISOString() })
  await writeWanted(memory, inputs())
  expect(await halt()).toMatchObject({ set: true, reason: 'odd', by: 'operator' })
})

test('only the sandbox is live: on another chain every plan stops after validation', async () => {
  expect((await writeWanted(await memoryOf(), inputs())).live).toBe(true)
  expect((await writeWanted(await memoryOf(), inputs({ chain: 'https://node' }))).live).toBe(false)
})

test('an embedded fleet is sandbox, hub and bot, and then every wanted agent in the order of the roles', () => {
  const wanted = testWanted({ counts: { ...profileCounts(spec, 'mini'), executor: 3, admin: 0 } })
  const ids = embeddedUnits(wanted).map((unit) => unit.id)
  expect(ids.slice(0, 4)).toEqual(['sandbox', 'hub', 'bot', 'code_indexer-1'])
  expect(ids.filter((id) => id.startsWith('executor'))).toEqual(['executor-1', 'executor-2', 'executor-3'])
  expect(ids).not.toContain('admin-1')
  const away = embeddedUnits(testWanted({ chain: 'https://node' }))
  expect(away.map((unit) => unit.id)).not.toContain('sandbox')
})

test('every unit has a port of its own: the hub the one asked for, replica n the first of its role + n - 1', () => {
  const wanted = testWanted({ hubPort: 3300, counts: profileCounts(spec, 'full') })
  const ports = new Map(embeddedUnits(wanted).map((unit) => [unit.id, Number(unit.env.PORT)]))
  expect([ports.get('hub'), ports.get('executor-1'), ports.get('executor-15')]).toEqual([3300, 3161, 3175])
  const taken = [...ports.values()].filter((port) => port !== 0)
  expect(new Set(taken).size).toBe(taken.length)
})

test.each([
  ['another manifest', { specHash: 'other' }, 'all'],
  ['another seed', { seed: '2' }, 'all'],
  ['another chain', { chainId: 1 }, 'all'],
  ['another port of the hub', { hubPort: 3999 }, 'hub'],
  ['other counts', { counts: profileCounts(spec, 'standard') }, 'none'],
  ['another profile', { profile: 'full' as const }, 'none'],
  ['another writer at another time', { writtenBy: 'x', at: '2020-01-01T00:00:00.000Z' }, 'none'],
])('%s replaces: %#', (_what, changes, concerned) => {
  const hashes = (units: ReturnType<typeof embeddedUnits>) => new Map(units.map((unit) => [unit.id, unit.specHash]))
  const before = hashes(embeddedUnits(testWanted()))
  const after = hashes(embeddedUnits(testWanted(changes)))
  const replaced = [...before.keys()].filter((id) => after.get(id) !== before.get(id))
  const expected = { all: [...before.keys()], hub: ['hub'], none: [] }[concerned]
  expect(replaced).toEqual(expected)
  expect(before.size).toBe(3 + ROLE_NAMES.length)
})

test('port and seed that are not given stay while the fleet runs, and are the usual ones when it starts', async () => {
  const memory = await memoryOf()
  await writeWanted(memory, inputs({ hubPort: 4777, seed: 'mine' }))
  const silent = { hubPort: undefined, seed: undefined }
  expect(await writeWanted(memory, inputs({ ...silent, running: true }))).toMatchObject({ hubPort: 4777, seed: 'mine' })
  expect(await writeWanted(memory, inputs({ ...silent, running: false }))).toMatchObject({ hubPort: 3000, seed: '1' })
})

test('a node of another chain than the fleet was made for is refused, unless its chain id is given', async () => {
  const memory = await memoryOf()
  const node = { chain: 'http://node:8545', chainId: 777 }
  await writeWanted(memory, inputs(node))
  await expect(writeWanted(memory, inputs({ ...node, chainId: 778 }))).rejects.toMatchObject({ code: 'chain_mismatch' })
  expect(await writeWanted(memory, inputs({ ...node, chainId: 778, chainIdGiven: true }))).toMatchObject({
    chainId: 778,
  })
})
