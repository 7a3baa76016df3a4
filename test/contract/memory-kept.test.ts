import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { openMemory } from '../../src/ports/memory/open.ts'
import { bundleScript } from '../fixtures/bundle.ts'
import { testSharedMemory } from './memory.ts'

const fleet = 'test-memory'
/** What every open file's methods come from. */
const fileHandle: FileHandle = await openFile(process.execPath).then(async (file) => {
  await file.close()
  return Object.getPrototypeOf(file)
})

testSharedMemory('embedded, all of it kept on the disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'arbdeck-kept-'))
  const persist = { file: join(folder, 'all'), keys: [], prefixes: [''] }
  const memory = await openMemory('embedded:', { fleet, persist })
  const close = async () => {
    await memory.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { a: memory, b: memory, close }
})

describe('embedded memory kept in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'arbdeck-memory-'))
  const file = join(folder, 'kept.json')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('the chosen keys are on disk when write resolves, for the owner alone, and outlive the process', async () => {
    const before = await openMemory(`embedded:${file}`, { fleet })
    const version = (await before.write('halt', { set: true })) ?? 0
    await before.write('head', 1)
    expect(readFileSync(file, 'utf8')).toContain('halt')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    await before.close()
    const after = await openMemory(`embedded:${file}`, { fleet })
    expect(await after.read('halt')).toEqual({ key: 'halt', version, value: { set: true } })
    expect(await after.read('head')).toBeUndefined()
    expect(await after.write('halt', { set: false }, { expect: version })).toBeGreaterThan(version)
    await after.write('halt', undefined)
    await after.close()
    const last = await openMemory(`embedded:${file}`, { fleet })
    expect(await last.read('halt')).toBeUndefined()
    await last.close()
  })

  test('a file that cannot be read is stale state, with the way out', async () => {
    writeFileSync(file, '[{"key":')
    await expect(openMemory(`embedded:${file}`, { fleet })).rejects.toMatchObject({
      code: 'state_stale',
      remedy: expect.stringContaining(file),
    })
  })

  test('what begins otherwise than a journal is stale state too', async () => {
    writeFileSync(file, '[]\n')
    await expect(openMemory(`embedded:${file}`, { fleet })).rejects.toMatchObject({ code: 'state_stale' })
  })

  test('a file that cannot be written is an error, at the start', async () => {
    const inTheWay = join(folder, 'blocked')
    mkdirSync(`${inTheWay}.new`)
    await expect(openMemory(`embedded:${inTheWay}`, { fleet })).rejects.toMatchObject({ code: 'memory_unreachable' })
  })
})

describe('what embedded memory keeps by prefix', () => {
  const folder = mkdtempSync(join(tmpdir(), 'arbdeck-journal-'))
  const fileOf = (name: string) => join(folder, name)
  const open = (file: string) => openMemory('embedded:', { fleet, persist: { file, keys: [], prefixes: ['account/'] } })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('a process that is killed right after its writes were acknowledged has lost none of them', async () => {
    const file = fileOf('killed')
    const script = await bundleScript(new URL('../fixtures/write-and-die.ts', import.meta.url))
    const { stdout, signal } = spawnSync(process.execPath, [script, file], { encoding: 'utf8' })
    expect(signal).toBe('SIGKILL')
    const memory = await open(file)
    expect(await memory.read('account/1')).toEqual({ key: 'account/1', version: Number(stdout), value: { lost: '7' } })
    expect(await memory.list('account/many/')).toHaveLength(50)
    expect(await memory.write('account/1', 8, { expect: Number(stdout) })).toBeGreaterThan(Number(stdout))
    await memory.close()
  })

  test('a last line that was cut short was never acknowledged, and what comes after it is whole', async () => {
    const file = fileOf('torn')
    const before = await open(file)
    await before.write('account/1', 'first')
    await before.close()
    appendFileSync(file, '{"key":"account/1","version":9007199254740991,"text":"\\"sec')
    const after = await open(file)
    expect(await after.read('account/1')).toMatchObject({ value: 'first' })
    await after.write('account/2', 'second')
    await after.close()
    const last = await open(file)
    expect((await last.list('account/')).map(({ value }) => value)).toEqual(['first', 'second'])
    await last.close()
  })

  test('of many who write one key at the same moment one wins, and each version is on the disk before it can be read', async () => {
    const file = fileOf('race')
    const memory = await open(file)
    const writing = Array.from({ length: 20 }, (_, i) => memory.write('account/1', i, { expect: 'absent' }))
    expect(await memory.read('account/1')).toBeUndefined()
    const versions = await Promise.all(writing)
    expect(versions.filter((version) => version !== undefined)).toHaveLength(1)
    expect(readFileSync(file, 'utf8')).toContain(String(versions.find((version) => version !== undefined)))
    await memory.close()
  })

  test('what had a time to live ends by it, in the next process too', async () => {
    const file = fileOf('ends')
    const before = await open(file)
    await before.write('account/short', 1, { ttlMs: 150 })
    await before.write('account/long', 1, { ttlMs: 60_000 })
    await before.close()
    const after = await open(file)
    expect(await after.list('account/')).toHaveLength(2)
    await sleep(200)
    expect((await after.list('account/')).map(({ key }) => key)).toEqual(['account/long'])
    await after.close()
  })

  test('a file that is longer than what it keeps is written anew, and keeps it', async () => {
    const file = fileOf('long')
    const memory = await open(file)
    const long = 'x'.repeat(200_000)
    for (let i = 0; i < 12; i++) await memory.write('account/1', `${i}${long}`)
    expect(statSync(file).size).toBeLessThan(1_500_000)
    await memory.write('account/2', 'after')
    await memory.close()
    const again = await open(file)
    expect(await again.read('account/1')).toMatchObject({ value: `11${long}` })
    expect(await again.read('account/2')).toMatchObject({ value: 'after' })
    await again.close()
  })

  test('what cannot be brought to the disk is not written, in words; what was there before stays, and later writes work', async () => {
    const file = fileOf('full')
    const memory = await open(file)
    await memory.write('account/1', 'before')
    const full = vi.spyOn(fileHandle, 'datasync')
    full.mockRejectedValueOnce(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
    await expect(memory.write('account/1', 'lost')).rejects.toMatchObject({
      code: 'disk_full',
      transient: true,
      message: expect.stringContaining(file),
      remedy: 'Free some space on that disk.',
    })
    expect(await memory.read('account/1')).toMatchObject({ value: 'before' })
    await memory.write('account/2', 'after')
    await memory.close()
    const again = await open(file)
    expect((await again.list('account/')).map(({ value }) => value)).toEqual(['before', 'after'])
    await again.close()
  })
})
