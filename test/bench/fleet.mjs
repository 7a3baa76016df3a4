// How fast a fleet on Docker comes, heals and goes, and what it weighs; each figure beside its bar and a reference of the same
// run. Needs Docker, and docker-compose 1.29 for `up`. Prints one JSON document; progress goes to stderr.
// npm run bench:fleet [-- --agents N] [--only image,memory,up,heal,watch,reconciler]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { benchManifest } from './fleet/manifest.mjs'
import { runPart } from './parts.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = path.join(root, 'src', 'bin.mjs')
const fleet = `test-bench-${process.pid}`
const folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-bench-'))
const bundles = mkdtempSync(path.join(root, 'node_modules', '.arbdeck-bench-'))
const env = { ...process.env, XDG_STATE_HOME: path.join(folder, 'state') }

/** `profile`: what the fleet has while the part begins; none: it needs no fleet. */
const PARTS = {
  image: { profile: 'mini' },
  memory: { profile: 'mini' },
  up: { profile: 'mini' },
  heal: { profile: 'standard' },
  watch: { profile: 'full' },
  reconciler: {},
}
const SOURCES = { reconciler: 'reconciler-pass' }

const stop = new AbortController()
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }))
  process.on(signal, () => stop.abort(code))

async function main() {
  const { values } = parseArgs({ options: { agents: { type: 'string', default: '111' }, only: { type: 'string' } } })
  const agents = Number(values.agents)
  if (!Number.isInteger(agents) || agents < 10 || agents > 111)
    throw new Error(`--agents ${values.agents} is not a number of agents; use 10 to 111`)
  const asked = values.only?.split(',') ?? Object.keys(PARTS)
  const unknown = asked.find((name) => !(name in PARTS))
  if (unknown !== undefined) throw new Error(`--only ${unknown} is not one of ${Object.keys(PARTS).join(', ')}`)
  const before = loadavg()
  const results = asked.some((name) => PARTS[name].profile)
    ? await withFleet(agents, () => runParts(asked))
    : await runParts(asked)
  process.stdout.write(`${JSON.stringify(report(agents, results, { before, after: loadavg() }), null, 2)}\n`)
}

/** The infrastructure and the services, without an agent: `mini` has none, `full` as many as were asked for. */
async function withFleet(agents, use) {
  const manifest = path.join(folder, 'fleet.yaml')
  writeFileSync(manifest, benchManifest(path.join(root, 'config', 'fleet.yaml'), agents))
  try {
    await arbdeck('up', '--manifest', manifest, '--profile', 'mini', '--detach')
    return await use()
  } finally {
    await arbdeck('down', '--volumes').catch((thrown) => say(thrown.message))
  }
}

async function runParts(asked) {
  const results = {}
  for (const name of asked) {
    const { profile } = PARTS[name]
    if (profile) await arbdeck('scale', '--profile', profile, '--wait', '--timeout', '10m')
    say(`${name}, load ${loadavg()[0].toFixed(1)}`)
    const source = path.join('fleet', `${SOURCES[name] ?? name}.ts`)
    const load = loadavg()
    results[name] = await runPart({ source, folder: bundles, args: profile ? [fleet] : [], env, signal: stop.signal })
    results[name].loadAverage = { before: rounded(load), after: rounded(loadavg()) }
  }
  return results
}

/** What arbdeck prints goes to stderr. Not ended by the bench's own Ctrl-C: `down` must run to its end. */
async function arbdeck(command, ...args) {
  if (command !== 'down') stop.signal.throwIfAborted()
  const child = spawn(process.execPath, [bin, command, '--engine', 'docker', '--fleet', fleet, ...args], {
    stdio: ['ignore', 2, 2],
    detached: true,
    env,
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`arbdeck ${command} ended with ${code}; see above`)
}

function report(agents, results, load) {
  return {
    bench: 'fleet',
    at: new Date().toISOString(),
    agents,
    machine: { node: process.version, platform: `${process.platform}-${process.arch}`, cpus: cpus().length },
    loadAverage: { before: rounded(load.before), after: rounded(load.after) },
    ...Object.fromEntries(Object.entries(results).map(([name, { figures: _, ...rest }]) => [name, rest])),
    figures: Object.values(results).flatMap(({ figures = [] }) => figures),
  }
}

const say = (text) => process.stderr.write(`bench:fleet: ${text}\n`)
const rounded = (values) => values.map((value) => Math.round(value * 100) / 100)

try {
  await main()
} catch (thrown) {
  say(thrown.message ?? 'interrupted')
  process.exitCode = stop.signal.aborted ? stop.signal.reason : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
  rmSync(bundles, { recursive: true, force: true })
}
