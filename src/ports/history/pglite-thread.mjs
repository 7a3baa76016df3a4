// Postgres in WebAssembly, in a thread of its own: each statement would hold up everything else in the fleet's process.
// Plain JavaScript, because a thread begins with a file that Node can run as it is, from the sources and from a build alike.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'

/** Of its own 128 MB for many sessions, one session with small rows needs little. */
const SETTINGS = ['shared_buffers=16MB', 'max_connections=4']

const complaints = []

async function open({ folder, template }) {
  if (folder !== undefined) mkdirSync(path.dirname(folder), { recursive: true, mode: 0o700 })
  const begins = template !== undefined && (folder === undefined || !existsSync(folder))
  return PGlite.create({
    ...(folder === undefined ? {} : { dataDir: folder }),
    ...(begins ? { loadDataDir: new Blob([readFileSync(template)]) } : {}),
    postgresqlconf: SETTINGS,
    onStderr: (line) => complaints.push(line) > 0,
  })
}

/** An error as it travels to the other thread: its class and prototype stay behind. */
const told = (thrown) => ({ message: String(thrown?.message ?? thrown), code: thrown?.code })

async function answer(db, { kind, text, parameters }) {
  if (kind === 'query') return (await db.query(text, parameters)).rows
  if (kind === 'script') await db.transaction((tx) => tx.exec(text))
  if (kind === 'close' && !db.closed) await db.close()
  return null
}

try {
  const db = await open(workerData)
  parentPort.on('message', (asked) => {
    answer(db, asked).then(
      (rows) => parentPort.postMessage({ id: asked.id, rows }),
      (thrown) => parentPort.postMessage({ id: asked.id, failed: told(thrown) }),
    )
  })
  parentPort.postMessage({ ready: true })
} catch (thrown) {
  const why = complaints.filter((line) => /FATAL|PANIC|ERROR/.test(line)).at(-1)
  parentPort.postMessage({ failed: { ...told(thrown), ...(why === undefined ? {} : { message: why }) } })
}
