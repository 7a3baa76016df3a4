import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openHistory } from '../../src/ports/history/open.ts'
import { openHistoryOver } from '../../src/ports/history/queries.ts'
import { FleetError } from '../../src/protocol/errors.ts'
import { bundleScript } from '../fixtures/bundle.ts'
import { describeDocker } from '../fixtures/docker.ts'
import { endsByItself } from '../fixtures/ends.ts'
import { hashOf, taskRecord } from '../fixtures/records.ts'
import { freePort, startPostgres, type TestServer } from '../fixtures/servers.ts'
import { testHistory } from './history.ts'

testHistory('pglite in memory', async () => {
  const history = await openHistory('pglite:')
  return { a: history, b: history, close: () => history.close() }
})

describe('opening history', () => {
  test('refuses an address that no adapter knows, that holds a password, or has none to go with it', async () => {
    for (const url of ['redis://host', 'nonsense', 'postgres://me:secret@host/db', 'postgres://host/db']) {
      await expect(openHistory(url)).rejects.toMatchObject({ code: 'config_invalid' })
    }
  })

  test('says so when nobody listens', async () => {
    const url = `postgres://127.0.0.1:${await freePort()}`
    await expect(openHistory(url, { password: 'x' })).rejects.toMatchObject({
      code: 'history_unreachable',
      transient: true,
    })
  })
})

describe('appends that come together', () => {
  const overSql = async (refused: (rows: { id: string }[]) => FleetError | undefined) => {
    const groups: number[] = []
    const history = await openHistoryOver({
      async query(text, [rows]) {
        if (!text.includes('INSERT')) return [{ version: 1 }]
        const records: { id: string }[] = JSON.parse(rows as string)
        groups.push(records.length)
        const fault = refused(records)
        if (fault) throw fault
        return []
      },
      script: async () => undefined,
      close: async () => undefined,
    })
    return { history, groups }
  }
  const fault = (transient: boolean) =>
    new FleetError(transient ? 'history_unreachable' : 'malformed', 'refused', { remedy: 'none', transient })

  test('go as one statement, and those that come meanwhile as the next', async () => {
    const { history, groups } = await overSql(() => undefined)
    const first = [history.append([taskRecord(1, 1)]), history.append([taskRecord(1, 2), taskRecord(1, 3)])]
    first.push(...first.map((done) => done.then(() => history.append([taskRecord(1, 4)]))))
    await Promise.all(first)
    expect(groups).toEqual([3, 2])
  })

  test('one that the database refuses takes no other along; where it cannot be reached, all are told', async () => {
    const bad = taskRecord(1, 2)
    const picky = await overSql((rows) => (rows.some(({ id }) => id === bad.id) ? fault(false) : undefined))
    const ends = await Promise.allSettled([1, 2, 3].map((n) => picky.history.append([taskRecord(1, n)])))
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    const away = await overSql(() => fault(true))
    const lost = await Promise.allSettled([1, 2].map((n) => away.history.append([taskRecord(1, n)])))
    expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(away.groups).toEqual([2])
  })
})

describe('history: pglite in a folder', () => {
  const parent = mkdtempSync(join(tmpdir(), 'arbdeck-history-'))
  const folder = join(parent, 'state', 'history')
  afterAll(() => rmSync(parent, { recursive: true, force: true }))

  test('what was acknowledged is there after a clean end', async () => {
    const before = await openHistory(`pglite:${folder}`)
    await before.append([taskRecord(2, 1)])
    await before.close()
    const after = await openHistory(`pglite:${folder}`)
    expect(await after.read({ kind: 'task' })).toEqual([taskRecord(2, 1)])
    await after.close()
  })

  test('what was acknowledged is there after the process was killed', async () => {
    const script = await bundleScript(new URL('../fixtures/append-and-die.ts', import.meta.url))
    const child = spawn(process.execPath, [script, `pglite:${folder}`], { stdio: 'ignore' })
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')
    const after = await openHistory(`pglite:${folder}`)
    expect(await after.read({ kind: 'task', idPrefix: hashOf(1) })).toEqual([taskRecord(1, 1)])
    await after.close()
  })

  test('close lets the process end', async () => {
    expect(await endsByItself('history', { url: `pglite:${folder}` })).toBe(0)
  })

  test('a broken folder, or one that is something else, is stale state with the way out', async () => {
    const wal = join(folder, 'pg_wal')
    for (const file of readdirSync(wal).filter((name) => name.startsWith('0'))) truncateSync(join(wal, file), 100)
    const stale = { code: 'state_stale', remedy: expect.stringContaining('arbdeck down --volumes') }
    await expect(openHistory(`pglite:${folder}`)).rejects.toMatchObject(stale)
    const file = join(parent, 'file')
    writeFileSync(file, '')
    await expect(openHistory(`pglite:${file}`)).rejects.toMatchObject({
      ...stale,
      message: expect.stringContaining(file),
    })
  })
})

describeDocker('history on a real Postgres', () => {
  let server: TestServer
  const open = (waitMs = 0) => openHistory(server.url, { password: server.password, waitMs })
  beforeAll(async () => {
    server = await startPostgres()
    const all = await Promise.all(Array.from({ length: 6 }, () => open(30_000)))
    await Promise.all(all.map((history) => history.close()))
  }, 60_000)
  afterAll(() => server?.remove())

  testHistory('postgres', async () => {
    const [a, b] = await Promise.all([open(), open()])
    return { a, b, close: async () => void (await Promise.all([a.close(), b.close()])) }
  })

  test('close lets the process end', async () => {
    expect(await endsByItself('history', server)).toBe(0)
  })

  test('a wrong password is refused at once, whatever the waiting time', async () => {
    const start = performance.now()
    await expect(openHistory(server.url, { password: 'wrong', waitMs: 20_000 })).rejects.toMatchObject({
      code: 'history_unreachable',
      transient: false,
    })
    expect(performance.now() - start).toBeLessThan(5_000)
  })

  test('tables of a newer version are stale state', async () => {
    const psql = (sql: string) => server.exec('psql', '-U', server.user, '-d', server.user, '-c', sql)
    await psql('UPDATE schema_version SET version = 1000')
    await expect(open()).rejects.toMatchObject({ code: 'state_stale' })
    await psql('UPDATE schema_version SET version = 1')
    await (await open()).close()
  })

  test('connections that are cut, idle or in use, are mended without the caller noticing', async () => {
    const history = await open()
    const cut = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()'
    let cutting = true
    const cuts = (async () => {
      for (let n = 0; n < 3; n++) await server.exec('psql', '-U', server.user, '-d', server.user, '-c', cut)
      cutting = false
    })()
    let appended = 0
    while (cutting) await history.append([taskRecord(20, appended++)])
    await cuts
    expect(await history.read({ kind: 'task', idPrefix: hashOf(20), limit: appended })).toHaveLength(appended)
    await history.close()
  })

  test('killed and started again: calls fail within seconds, then work; nothing acknowledged is lost', async () => {
    const history = await open()
    await history.append([taskRecord(21, 1)])
    await server.stop('kill')
    const start = performance.now()
    await expect(history.append([taskRecord(21, 2)])).rejects.toMatchObject({
      code: 'history_unreachable',
      transient: true,
    })
    expect(performance.now() - start).toBeLessThan(12_000)
    await server.start()
    const appended = () =>
      history.append([taskRecord(21, 3)]).then(
        () => true,
        () => false,
      )
    await expect.poll(appended, { timeout: 20_000, interval: 200 }).toBe(true)
    const read = await history.read({ kind: 'task', idPrefix: hashOf(21) })
    expect(read).toEqual([taskRecord(21, 1), taskRecord(21, 3)])
    await history.close()
  })

  test('idle connections are given back', async () => {
    const histories = await Promise.all(Array.from({ length: 5 }, () => open()))
    const count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'arbdeck'"
    const connections = async () =>
      Number(await server.exec('psql', '-U', server.user, '-d', server.user, '-Atc', count))
    expect(await connections()).toBeGreaterThanOrEqual(5)
    await sleep(5_500)
    expect(await connections()).toBe(0)
    await Promise.all(histories.map((history) => history.close()))
  })
})
