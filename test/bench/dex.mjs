// How fast the search is, what it finds, and how much memory it takes, on a snapshot of real pools; each figure beside its bar
// and a reference of the same run. Prints one JSON document; progress goes to stderr.
// npm run bench:dex [-- SNAPSHOT] [--only search,memory,blocks,pipeline]
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runPart } from './parts.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Two folders below the root, as test/fixtures is: what is found by a relative path is found from here too. */
const folder = mkdtempSync(path.join(root, 'node_modules', '.arbdeck-bench-'))
const PARTS = {
  search: { source: 'dex/search.ts' },
  memory: { source: 'dex/memory.ts', beside: ['dex/memory-worker.ts'] },
  /** Block seen → opportunities published, on a chain with thousands of pools. */
  blocks: { source: 'dex/blocks.ts', beside: ['../../agent/market/search-worker.ts'] },
  /** Block seen → transaction submitted, through the whole fleet; ARBDECK_BENCH_AMQP names a broker for the second figure. */
  pipeline: { source: 'dex/pipeline.ts', beside: ['../../src/ports/history/pglite-thread.mjs'] },
}

async function main() {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } })
  const asked = values.only?.split(',') ?? Object.keys(PARTS)
  const unknown = asked.find((name) => !(name in PARTS))
  if (unknown !== undefined) throw new Error(`--only ${unknown} is not one of ${Object.keys(PARTS).join(', ')}`)
  const snapshot = asked.some((name) => name === 'search' || name === 'memory') ? snapshotPath(positionals[0]) : ''
  const before = loadavg()
  const results = {}
  for (const name of asked) {
    process.stderr.write(`bench:dex: ${name}\n`)
    results[name] = await runPart({ ...PARTS[name], folder, args: [snapshot], nodeArgs: ['--expose-gc'] })
  }
  process.stdout.write(`${JSON.stringify(report(results, { before, after: loadavg() }), null, 2)}\n`)
}

function snapshotPath(given) {
  const file = path.resolve(
    given ?? process.env.ARBDECK_POOL_SNAPSHOT ?? path.join(root, '../shared/data/v2-mainnet-2020-10.ndjson'),
  )
  if (existsSync(file)) return file
  throw new Error(
    `there is no pool snapshot at ${file}. Give one as the argument or in ARBDECK_POOL_SNAPSHOT: one JSON object a line, ` +
      'tokens and pools with their reserves, as `arbdeck scan` reads it; for the figures of record the 10,704 Uniswap V2 ' +
      'pairs of September 2020 (ccyanxyz/uniswap-arbitrage-analysis at 1593133, src/files/pairs.json, put into that form)',
  )
}

function report(results, load) {
  const { figures: _, ...about } = results.search ?? {}
  const others = Object.entries(results).filter(([name]) => name !== 'search')
  return {
    bench: 'dex',
    at: new Date().toISOString(),
    machine: { node: process.version, platform: `${process.platform}-${process.arch}`, cpus: cpus().length },
    loadAverage: { before: rounded(load.before), after: rounded(load.after) },
    ...about,
    ...Object.fromEntries(
      others.map(([name, { figures: __, ...rest }]) => [name, rest]).filter(([, rest]) => Object.keys(rest).length > 0),
    ),
    figures: Object.values(results).flatMap(({ figures = [] }) => figures),
  }
}

const rounded = (values) => values.map((value) => Math.round(value * 100) / 100)

const clean = () => rmSync(folder, { recursive: true, force: true })
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }))
  process.on(signal, () => {
    clean()
    process.exit(code)
  })

try {
  await main()
} catch (thrown) {
  process.stderr.write(`bench:dex: ${thrown.message}\n`)
  process.exitCode = 1
} finally {
  clean()
}
