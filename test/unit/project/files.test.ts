import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openProject, type Project, writeLocked } from '../../../agent/project/project.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys } from '../../../src/protocol/keys.ts'

let memory: SharedMemory
let root: string
let one: Project
let other: Project

beforeEach(async () => {
  memory = await openMemory('embedded:', { fleet: 'test' })
  root = mkdtempSync(path.join(tmpdir(), 'arbdeck-project-'))
  one = openProject(root, { memory, owner: 'builder-1', log: () => undefined })
  other = openProject(root, { memory, owner: 'fixer-1', log: () => undefined })
})
afterEach(async () => {
  await Promise.all([one.locks.close(), other.locks.close()])
  await memory.close()
  rmSync(root, { recursive: true, force: true })
})

const request = { waitMs: 2_000, holdMs: 20_000 }

test('what one writes under its lock the other reads, as a whole, and nothing is left beside it', async () => {
  const lock = await one.locks.acquire('reports/a.md', request)
  expect(await one.files.write('reports/a.md', lock.token, 'first')).toMatchObject({ path: 'reports/a.md', bytes: 5 })
  await one.files.write('reports/a.md', lock.token, 'second')
  expect((await other.files.read('reports/a.md')).content).toBe('second')
  expect(await other.files.list()).toMatchObject([{ path: 'reports/a.md', bytes: 6 }])
  expect(readdirSync(path.join(root, '.arbdeck-staging'))).toEqual([])
})

test('a writer without the lock, and one whose lock has passed to another, is refused and changes nothing', async () => {
  await expect(one.files.write('a.md', 1, 'x')).rejects.toMatchObject({ code: 'conflict' })
  const stale = await one.locks.acquire('a.md', request)
  await one.files.write('a.md', stale.token, 'old')
  await stale.release()
  const fresh = await other.locks.acquire('a.md', request)
  await other.files.write('a.md', fresh.token, 'new')
  const late = one.files.write('a.md', stale.token, 'late')
  await expect(late).rejects.toThrow(`token ${stale.token} does not hold the lock of a.md: fixer-1 holds it`)
  expect(readFileSync(path.join(root, 'a.md'), 'utf8')).toBe('new')
  await expect(other.files.write('b.md', fresh.token, 'x')).rejects.toMatchObject({ code: 'conflict' })
})

test('while a write is on its way nobody takes the lock, though its lease would have ended', async () => {
  const lock = await one.locks.acquire('a.md', request)
  const before = (await memory.read(keys.fileLock('a.md')))?.value as { holder: { until: string } }
  const soon = { ...before, holder: { ...before.holder, until: new Date(Date.now() + 50).toISOString() } }
  await memory.write(keys.fileLock('a.md'), soon)
  await one.locks.confirm('a.md', lock.token, 10_000)
  const refused = other.locks.acquire('a.md', { waitMs: 200, holdMs: 1_000 })
  await expect(refused).rejects.toMatchObject({ code: 'conflict' })
})

test('two that change one file in turn lose no change', async () => {
  const add = async (project: Project, what: string) =>
    writeLocked(project, 'log.txt', async () => {
      const before = await project.files.read('log.txt').then(
        ({ content }) => content,
        () => '',
      )
      return `${before}${what}\n`
    })
  await Promise.all(Array.from({ length: 12 }, (_, n) => add(n % 2 ? one : other, `line ${n}`)))
  const lines = readFileSync(path.join(root, 'log.txt'), 'utf8').trim().split('\n')
  expect([...lines].sort()).toEqual(Array.from({ length: 12 }, (_, n) => `line ${n}`).sort())
})

test.each(['', '/etc/passwd', '../x', 'a/../../x', 'a//b', './a', '.arbdeck-staging/x', 'a\\b', 'a\0b'])(
  '%j is no path of it',
  async (name) => {
    await expect(one.files.read(name)).rejects.toMatchObject({ code: 'usage' })
    await expect(one.files.write(name, 1, 'x')).rejects.toMatchObject({ code: 'usage' })
  },
)

test('a link that leads out of it is not followed', async () => {
  const outside = mkdtempSync(path.join(tmpdir(), 'arbdeck-outside-'))
  writeFileSync(path.join(outside, 'secret'), 'x')
  symlinkSync(outside, path.join(root, 'out'))
  await expect(one.files.read('out/secret')).rejects.toMatchObject({ code: 'usage' })
  const lock = await one.locks.acquire('out/new', request)
  await expect(one.files.write('out/new', lock.token, 'x')).rejects.toMatchObject({ code: 'usage' })
  expect(readdirSync(outside)).toEqual(['secret'])
  rmSync(outside, { recursive: true })
})

test('what is not there, and what is too large, is said', async () => {
  await expect(one.files.read('none.md')).rejects.toMatchObject({ code: 'not_found' })
  mkdirSync(path.join(root, 'folder'))
  await expect(one.files.read('folder')).rejects.toMatchObject({ code: 'not_found' })
  const lock = await one.locks.acquire('big', request)
  await expect(one.files.write('big', lock.token, 'x'.repeat(1_000_001))).rejects.toMatchObject({ code: 'unsupported' })
})
