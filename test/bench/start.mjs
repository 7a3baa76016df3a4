// How long an embedded fleet takes to its first picture, to ten healthy agents and to its first trade, beside what the machine
// takes for `node -e 0` and for a bare anvil in the same run. Prints one JSON document; progress goes to stderr.
// npm run bench:start [-- --runs N]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { allHealthy, anvilBoot, firstExecution, firstPaint, nodeBoot, whyNoTerminal } from './measure.mjs'
import { endAllOf } from './processes.mjs'

/** Of a quiet machine. */
const BARS_MS = { firstPaint: 2_000, allHealthy: 15_000, firstExecution: 45_000 }
const GRACE_MS = 15_000

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = path.join(root, 'src', 'bin.mjs')
const name = `test-bench-${process.pid}`
const folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-bench-'))
const stop = new AbortController()
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }))
  process.on(signal, () => stop.abort(code))

async function main() {
  try {
    const runs = runsAsked()
    const missing = whyNoTerminal()
    if (missing) throw new Error(missing)
    await build()
    process.stdout.write(`${JSON.stringify(await bench(runs), null, 2)}\n`)
    return 0
  } catch (thrown) {
    if (stop.signal.aborted) return stop.signal.reason
    process.stderr.write(`bench:start: ${thrown.message}\n`)
    return 1
  } finally {
    const killed = await endAllOf(name, GRACE_MS)
    if (killed > 0) process.stderr.write(`bench:start: ${killed} processes had to be killed\n`)
    rmSync(folder, { recursive: true, force: true })
  }
}

function runsAsked() {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' } } })
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1)
    throw new Error(`--runs ${values.runs} is not a number of runs; use 1 or more`)
  return runs
}

/** Does nothing when the build is fresh. */
async function build() {
  const options = { stdio: ['ignore', 2, 2], detached: true, signal: stop.signal }
  const [code] = await once(spawn(process.execPath, [path.join(root, 'src', 'build.mjs')], options), 'exit')
  if (code !== 0) throw new Error('the build failed; see above')
}

async function bench(runs) {
  const before = loadavg()
  const times = { node: [], anvil: [], firstPaint: [], allHealthy: [], firstExecution: [], healthyReturned: [] }
  for (let run = 1; run <= runs; run++) {
    // Each start is a first one: a fleet and a state folder that were never there.
    const of = (what) => {
      const env = { ...process.env, XDG_STATE_HOME: path.join(folder, `${what}-${run}`) }
      return { bin, fleet: `${name}-${what}-${run}`, env, signal: stop.signal }
    }
    times.node.push(await nodeBoot(of('n')))
    times.anvil.push(await anvilBoot(of('v')))
    times.firstPaint.push(await firstPaint(of('p')))
    const healthy = await allHealthy(of('h'))
    times.allHealthy.push(healthy.ms)
    times.healthyReturned.push(healthy.endMs)
    times.firstExecution.push((await firstExecution(of('x'))).ms)
    process.stderr.write(`run ${run} of ${runs}: ${said(times)}\n`)
  }
  return report(runs, times, { before, after: loadavg() })
}

const said = (times) =>
  Object.entries(times)
    .map(([what, all]) => `${what} ${Math.round(all.at(-1))} ms`)
    .join(', ')

function report(runs, times, load) {
  const ms = Object.fromEntries(Object.entries(times).map(([what, all]) => [what, spread(all)]))
  const { node, anvil, healthyReturned, ...measured } = ms
  const each = (of) =>
    Object.fromEntries(Object.entries(measured).map(([what, { median }]) => [what, of(median, what)]))
  return {
    bench: 'start',
    at: new Date().toISOString(),
    runs,
    machine: { node: process.version, platform: `${process.platform}-${process.arch}`, cpus: cpus().length },
    loadAverage: { before: rounded(load.before), after: rounded(load.after) },
    references: { nodeMs: node, anvilMs: anvil },
    firstPaintMs: ms.firstPaint,
    allHealthyMs: ms.allHealthy,
    firstExecutionMs: ms.firstExecution,
    /** Until `up --until healthy` has returned: services are healthy too, and the fleet has been ended. */
    healthyReturnedMs: healthyReturned,
    ratios: {
      toNode: each((median) => round(median / node.median)),
      toAnvil: each((median) => round(median / anvil.median)),
    },
    bars: each((median, what) => ({ limitMs: BARS_MS[what], medianMs: median, met: median < BARS_MS[what] })),
  }
}

function spread(all) {
  const sorted = all.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
  return { median: Math.round((low + high) / 2), min: Math.round(sorted[0]), max: Math.round(sorted.at(-1)) }
}

const round = (value) => Math.round(value * 10) / 10
const rounded = (values) => values.map((value) => Math.round(value * 100) / 100)

process.exitCode = await main()
