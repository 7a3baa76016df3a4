import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type FleetSecrets, makeSecrets, secretVolumes, type VolumeContents } from '../../../src/fleet/secrets.ts'
import { fillGiven, fillSecrets } from '../../../src/launch/secrets-init.ts'
import { stringify } from '../../../src/protocol/json.ts'
import { secretFiles } from '../../../src/protocol/secrets.ts'
import { bundleScript } from '../../fixtures/bundle.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const { limits, risk } = testWanted().spec
const contents = { limits, risk }
const layout = secretVolumes('test', makeSecrets(), contents)
let folder: string
let folders: { volumes: string; given: string }

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-secrets-'))
  folders = { volumes: path.join(folder, 'volumes'), given: path.join(folder, 'given') }
  for (const { volume } of layout) mkdirSync(path.join(folders.volumes, volume), { recursive: true })
  mkdirSync(folders.given)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const textAt = (volume: string, name: string) => readFileSync(path.join(folders.volumes, volume, name), 'utf8')
const allFiles = () =>
  Object.fromEntries(
    readdirSync(folders.volumes).flatMap((volume) =>
      readdirSync(path.join(folders.volumes, volume)).map((name) => [`${volume}/${name}`, textAt(volume, name)]),
    ),
  )
/** What a fleet with these secrets has in its volumes. */
const filledWith = (secrets: FleetSecrets, what: VolumeContents = contents) =>
  Object.fromEntries(
    secretVolumes('test', secrets, what).flatMap(({ volume, files }) =>
      files.map(({ name, content }) => [`${volume}/${name}`, content.toString()]),
    ),
  )
function secretsThere(): FleetSecrets {
  const files = allFiles()
  const of = (name: keyof FleetSecrets) =>
    Object.entries(files).find(([file]) => file.endsWith(`/${secretFiles[name]}`))?.[1] ?? expect.fail(`no ${name}`)
  return Object.fromEntries(
    (Object.keys(makeSecrets()) as (keyof FleetSecrets)[]).map((name) => [name, of(name)]),
  ) as never
}

test('empty volumes get every file that arbdeck up would write, with its mode, and the secrets are new and long', () => {
  fillSecrets(folders, 'test', contents)
  const secrets = secretsThere()
  expect(allFiles()).toEqual(filledWith(secrets))
  for (const secret of Object.values(secrets)) expect(secret).toMatch(/^[\w-]{43}$|^[0-9a-f]{64}$/)
  for (const { volume, files } of layout)
    for (const file of files)
      expect(statSync(path.join(folders.volumes, volume, file.name)).mode & 0o777, file.name).toBe(file.mode)
})

test('a fleet that has secrets keeps them, whoever made them', () => {
  const mine = makeSecrets()
  for (const { volume, files } of secretVolumes('test', mine, contents))
    for (const file of files) writeFileSync(path.join(folders.volumes, volume, file.name), file.content)
  fillSecrets(folders, 'test', contents)
  expect(allFiles()).toEqual(filledWith(mine))
})

test('what a run that was killed left undone is done by the next, with the same secrets', () => {
  fillSecrets(folders, 'test', contents)
  const secrets = secretsThere()
  const files = Object.keys(allFiles()).sort()
  for (const file of files.filter((_, i) => i % 3 > 0)) rmSync(path.join(folders.volumes, file))
  const gone = (Object.keys(secrets) as (keyof FleetSecrets)[]).filter(
    (name) => !Object.keys(allFiles()).some((file) => file.endsWith(`/${secretFiles[name]}`)),
  )
  fillSecrets(folders, 'test', contents)
  const after = secretsThere()
  for (const name of Object.keys(secrets) as (keyof FleetSecrets)[])
    if (!gone.includes(name)) expect(after[name], name).toBe(secrets[name])
  expect(allFiles()).toEqual(filledWith(after))
})

test('limits follow the manifest, and nothing else is written anew', () => {
  fillSecrets(folders, 'test', contents)
  const before = secretsThere()
  const at = (volume: string, name: string) => statSync(path.join(folders.volumes, volume, name)).ino
  const inode = at('test-secrets-executors', 'agent-token')
  fillSecrets(folders, 'test', { ...contents, limits: { ...limits, maxFailuresInARow: 3 } })
  expect(JSON.parse(textAt('test-secrets-executors', 'limits.json')).maxFailuresInARow).toBe(3)
  expect(secretsThere()).toEqual(before)
  expect(at('test-secrets-executors', 'agent-token')).toBe(inode)
})

test('the Redis password comes last into every volume: who sees it finds all the rest', () => {
  fillSecrets(folders, 'test', contents)
  for (const { volume, files } of layout) {
    if (!files.some(({ name }) => name === secretFiles.redisPassword)) continue
    const changed = (name: string) => statSync(path.join(folders.volumes, volume, name), { bigint: true }).ctimeNs
    const home = volume === layout.find((fill) => fill.files.some(({ name }) => name === 'redis-password'))?.volume
    if (!home)
      for (const { name } of files) expect(changed(name) <= changed('redis-password'), `${volume}/${name}`).toBe(true)
  }
})

let script: string
beforeAll(async () => {
  script = await bundleScript(new URL('../../fixtures/fill-secrets.ts', import.meta.url))
})

test('four who fill at the same moment agree on every secret', async () => {
  const rounds = 30
  const base = path.join(folder, 'rounds')
  for (let round = 0; round < rounds; round++)
    for (const { volume } of layout) mkdirSync(path.join(base, String(round), volume), { recursive: true })
  const args = [script, base, String(rounds), String(Date.now() + 1_500), stringify(limits)]
  const run = () =>
    new Promise((resolve) => spawn(process.execPath, args, { stdio: 'inherit' }).on('close', (code) => resolve(code)))
  expect(await Promise.all(Array.from({ length: 4 }, run))).toEqual(Array(4).fill(0))
  for (let round = 0; round < rounds; round++) {
    folders.volumes = path.join(base, String(round))
    const { risk: _risk, ...only } = contents
    expect(allFiles(), `round ${round}`).toEqual(filledWith(secretsThere(), only))
  }
}, 30_000)

test('folders that roles share may be written by all, and their secrets come from the operator’s folder', () => {
  const volumes = ['test-project', 'test-secrets-role-x']
  for (const volume of volumes) mkdirSync(path.join(folders.volumes, volume))
  const file = { name: 'api-key', mode: 0o400, uid: 1234, gid: 1234 }
  const fills = [
    { volume: 'test-project', mode: 0o1777, files: [] },
    { volume: 'test-secrets-role-x', files: [file] },
  ]
  expect(() => fillGiven(folders, fills)).toThrowError(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(/lacks api-key/) }),
  )
  writeFileSync(path.join(folders.given, 'api-key'), 'k')
  fillGiven(folders, fills)
  expect(statSync(path.join(folders.volumes, 'test-project')).mode & 0o7777).toBe(0o1777)
  expect(textAt('test-secrets-role-x', 'api-key')).toBe('k')
})
