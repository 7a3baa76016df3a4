import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { FleetOptions } from '../../../src/client/launcher.ts'
import { StateFolder } from '../../../src/client/state.ts'
import { planEmbeddedUp } from '../../../src/launch/dry-run.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const manifest = fileURLToPath(new URL('../../../config/fleet.yaml', import.meta.url))
const parts = { entry: '', defaultManifest: manifest, defaultChains: '' }
const options = { engine: 'embedded', fleet: 'test', live: false, debug: false, json: true } as FleetOptions

let home: string
const before = process.env.XDG_STATE_HOME
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'arbdeck-dry-run-'))
  process.env.XDG_STATE_HOME = home
})
afterEach(() => {
  if (before === undefined) delete process.env.XDG_STATE_HOME
  else process.env.XDG_STATE_HOME = before
  rmSync(home, { recursive: true, force: true })
})

test('of an embedded fleet that is not there, all of it is named, and nothing is made', async () => {
  const plan = await planEmbeddedUp(options, parts)
  const started = ['sandbox', 'hub', 'bot', ...ROLE_NAMES.map((role) => `${role}-1`)]
  expect(plan.map(({ kind, id }) => `${kind} ${id}`)).toEqual([
    `create ${new StateFolder('test').dir}`,
    ...started.map((id) => `start ${id}`),
  ])
  expect(plan.every(({ cause }) => cause !== '')).toBe(true)
  expect(readdirSync(home)).toEqual([])
})

test('of one that was stopped, the counts of before', async () => {
  const state = new StateFolder('test')
  const file = state.file('memory.journal')
  const memory = await openMemory('embedded:', { fleet: 'test', persist: { file, keys: [keys.wanted] } })
  await memory.write(keys.wanted, testWanted({ engine: 'embedded', counts: { ...testWanted().counts, fixer: 3 } }))
  expect(existsSync(file)).toBe(true)
  const ids = (await planEmbeddedUp(options, parts)).map(({ id }) => id)
  expect(ids.filter((id) => id.startsWith('fixer-'))).toEqual(['fixer-1', 'fixer-2', 'fixer-3'])
  const full = (await planEmbeddedUp({ ...options, profile: 'full' }, parts)).filter(({ kind }) => kind === 'start')
  expect(full).toHaveLength(3 + 111)
})

test('what up would refuse is refused', async () => {
  await expect(planEmbeddedUp({ ...options, manifest: '/nowhere.yaml' }, parts)).rejects.toMatchObject({
    code: 'config_invalid',
  })
})
