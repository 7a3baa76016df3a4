import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { applyChanges, parseScale } from '../../../src/client/scale.ts'
import { partsLeftOut, readRoleSecrets, refuseMissingSecrets } from '../../../src/launch/role-parts.ts'
import { wantedAfter } from '../../../src/launch/wanted.ts'
import type { Provisioner } from '../../../src/ports/engine/provision.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { FleetSpec } from '../../../src/protocol/fleet.ts'
import { RoleSpecSchema } from '../../../src/protocol/role-spec.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'ad-secrets-'))
afterAll(() => rmSync(folder, { recursive: true }))

function specWith(parts: Record<string, object>): FleetSpec {
  const { spec } = testWanted()
  const roles = Object.entries(parts).map(([name, part]) => [name, { ...spec.roles.planner, ...part }] as const)
  return {
    ...spec,
    roles: { ...spec.roles, ...Object.fromEntries(roles.map(([n, r]) => [n, RoleSpecSchema.parse(r)])) },
  }
}

describe('--secrets-dir', () => {
  test('is read for the roles that name files of it, byte for byte', () => {
    writeFileSync(path.join(folder, 'key'), 'a\n\0b')
    const found = readRoleSecrets(specWith({ planner: { secrets: ['key'] } }), folder)
    expect([...found.keys()]).toEqual(['planner'])
    expect(found.get('planner')?.get('key')).toEqual(Buffer.from('a\n\0b'))
    expect(readRoleSecrets(specWith({ planner: { secrets: ['key'] } }), undefined).size).toBe(0)
  })

  test('that lacks files names every one of them, with its role', () => {
    const spec = specWith({ planner: { secrets: ['key', 'none'] }, fixer: { secrets: ['nor-this'] } })
    expect(() => readRoleSecrets(spec, folder)).toThrow(
      /the secret none of planner is not there; the secret nor-this of fixer is not there/,
    )
    writeFileSync(path.join(folder, 'long'), Buffer.alloc(1024 * 1024 + 1))
    expect(() => readRoleSecrets(specWith({ planner: { secrets: ['long'] } }), folder)).toThrow(/longer than 1 MiB/)
  })

  test('may be left out by a fleet that has its secrets, and by no other', async () => {
    const spec = specWith({ planner: { secrets: ['key'] }, fixer: { secrets: ['other'] } })
    const kept = new Map([['test-secrets-role-planner', new Map([['key', Buffer.from('x')]])]])
    const readVolume: Provisioner['readVolume'] = async (volume) => {
      const files = kept.get(volume)
      if (files) return files
      throw new FleetError('not_found', 'no volume', { remedy: 'none' })
    }
    const parts = { provisioner: { readVolume } as Provisioner, fleet: 'test' }
    await expect(refuseMissingSecrets(parts, spec, new Map(), 'base')).rejects.toThrow(/has not: other of fixer$/)
    kept.set('test-secrets-role-fixer', new Map([['other', Buffer.from('')]]))
    await refuseMissingSecrets(parts, spec, new Map(), 'base')
  })
})

describe('the embedded engine', () => {
  const image = { ref: 'example/prices:1', port: 80 }
  const spec = specWith({ prices: { image, firstPort: 0, counts: { mini: 1, standard: 0, full: 0 } } })
  const { fleet, chain, chainId } = testWanted()
  const inputs = {
    ...{ fleet, spec, chain, chainId, engine: 'embedded' as const, images: {}, chainIdGiven: false, running: false },
    ...{ hubPort: undefined, usualHubPort: 0, seed: undefined },
  }

  test('refuses a profile with agents of an image, and takes one without', () => {
    expect(() => wantedAfter(undefined, { ...inputs, profile: 'mini' })).toThrow(/prices runs an image/)
    expect(wantedAfter(undefined, { ...inputs, profile: 'standard' }).counts.prices).toBe(0)
    expect(wantedAfter(undefined, { ...inputs, engine: 'docker', profile: 'mini' }).counts.prices).toBe(1)
  })

  test('refuses to scale one up', () => {
    const wanted = { ...testWanted(), spec, counts: { prices: 0 } }
    const more = parseScale(['prices=1'])
    expect(() => applyChanges({ ...wanted, engine: 'embedded' }, more)).toThrow(/the embedded engine runs none/)
    expect(applyChanges({ ...wanted, engine: 'docker' }, more).prices).toBe(1)
  })

  test('says what it leaves out of the roles of ours', () => {
    expect(partsLeftOut(specWith({ planner: { secrets: ['a'], environment: { A: 'b' } } }))).toEqual([
      'planner gets no environment, no secrets: they are for containers, and this fleet has none',
    ])
    expect(partsLeftOut(testWanted().spec)).toEqual([])
  })
})

test('a role that is new in the manifest gets the count of the profile, the others keep theirs, within new bounds', () => {
  const before = { ...testWanted(), counts: { planner: 9, gone: 3, admin: 1 } }
  const spec = specWith({ planner: { max: 5, counts: { mini: 1, standard: 2, full: 2 } } })
  const inputs = { ...before, spec, engine: 'docker' as const, profile: undefined, chainIdGiven: false, running: false }
  const { counts } = wantedAfter(before, { ...inputs, usualHubPort: 0 })
  expect(counts).toMatchObject({ planner: 5, admin: 1, fixer: 1 })
  expect(counts).not.toHaveProperty('gone')
})
