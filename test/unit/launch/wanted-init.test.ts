import { beforeEach, expect, test } from 'vitest'
import { writeComposedWanted } from '../../../src/launch/wanted-init.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import { HaltSchema, profileCounts, WantedSchema } from '../../../src/protocol/fleet.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { ROOT, readCompose } from '../../fixtures/compose.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const { spec, specHash } = testWanted()
/** As the committed file says it. */
const environment = readCompose(`${ROOT}/compose`, 'bot').services['wanted-init']?.environment ?? {}
let memory: SharedMemory
beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'arbdeck' })
})
const write = (changes: Record<string, string> = {}) =>
  writeComposedWanted({
    memory,
    fleet: 'arbdeck',
    setting: (name) => ({ ...environment, ...changes })[name] ?? expect.fail(name),
  })
const inMemory = async () => (await readAs(memory, keys.wanted, WantedSchema))?.value

test('at first the fleet is what the compose files say, trading is not halted, and compose is awaited', async () => {
  const wanted = await write()
  expect(await inMemory()).toEqual({ ...wanted, writtenBy: 'compose' })
  expect(wanted).toMatchObject({
    ...{
      fleet: 'arbdeck',
      engine: 'docker',
      profile: 'standard',
      chain: 'sandbox',
      chainId: 31_337,
      live: true,
      specHash,
    },
    ...{ counts: profileCounts(spec, 'standard'), hubPort: 3000, seed: '1' },
    images: {
      agent: 'arbdeck-agent:compose',
      sandbox: 'arbdeck-sandbox:compose',
      redis: expect.stringMatching(/^redis:/),
    },
  })
  expect(wanted.spec).toEqual(spec)
  expect((await readAs(memory, keys.halt, HaltSchema))?.value.set).toBe(false)
  expect((await memory.read(keys.adoption))?.value).toEqual({ phase: 'units' })
})

test('a later time counts and halt stay as they were set; another profile in .env sets the counts anew', async () => {
  await write()
  await memory.write(keys.wanted, {
    ...(await inMemory()),
    counts: { ...profileCounts(spec, 'standard'), reviewer: 7 },
  })
  await memory.write(keys.halt, { set: true, reason: 'mine', by: 'operator', at: new Date().toISOString() })
  expect((await write()).counts.reviewer).toBe(7)
  expect((await readAs(memory, keys.halt, HaltSchema))?.value.reason).toBe('mine')
  expect((await write({ ARBDECK_PROFILE: 'mini' })).counts).toEqual(profileCounts(spec, 'mini'))
})

test.each([
  ['a profile that is none', { ARBDECK_PROFILE: 'huge' }, /COMPOSE_PROFILES is huge/],
  ['files that were changed by hand', { ARBDECK_SPEC: '000000000000' }, /another manifest/],
  ['a manifest that is none', { ARBDECK_MANIFEST: '{}' }, /manifest in the compose file/],
])('%s is refused in words, and nothing is written', async (_what, changes, words) => {
  await expect(write(changes)).rejects.toThrowError(words)
  expect(await memory.read(keys.wanted)).toBeUndefined()
})
