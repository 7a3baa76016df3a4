// CPU that watching a fleet's containers adds, to the daemon and to the watcher, beside that of a stats stream each; windows
// alternate in one run. Prints JSON: percent of a core. Usage: watch.mjs FLEET [SECONDS], or watch.mjs --bare N [SECONDS] for
// N idle containers of its own. Needs a Docker daemon of this machine.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type Docker from 'dockerode'
import { connectDocker } from '../../../src/ports/engine/docker/connect.ts'
import { fleetFilter } from '../../../src/ports/engine/docker/names.ts'
import { openDockerEngine } from '../../../src/ports/engine/docker.ts'
import type { Engine, UnitSpec } from '../../../src/ports/engine/engine.ts'
import { setting } from '../../fixtures/env.ts'
import { type Figure, figure } from '../dex/figures.ts'

/** As the screen looks: at the containers every second, at what they use every five. */
const LOOK_MS = 1_000
const LOOKS_A_WEIGHING = 5
const ROUNDS = 3
/** The kernel counts a process's time in hundredths of a second. */
const TICK_MS = 10
const AT_ONCE = 4

interface Percent {
  /** dockerd and containerd. */
  daemon: number
  own: number
}

export interface WatchFigures {
  containers: number
  windowSeconds: number
  rounds: number
  /** Medians of the rounds; nobody watches. */
  nothing: Percent
  watched: Percent
  streams: Percent
  /** Beyond nothing, daemon and own: medians of the differences of each round. */
  addedByWatching: number
  addedByStreams: number
  figures: Figure[]
}

/** @param fleet its containers run; at rest, for figures that mean something */
export async function watchFleet(fleet: string, seconds = 20): Promise<WatchFigures> {
  const engine = await openDockerEngine({ fleet })
  const { docker } = await connectDocker()
  const containers = await docker.listContainers({ filters: fleetFilter(fleet) })
  const daemon = daemonPids()
  const windows = { nothing: [] as Percent[], watched: [] as Percent[], streams: [] as Percent[] }
  try {
    for (let round = 0; round < ROUNDS; round++) {
      windows.nothing.push(await windowOf(daemon, seconds, () => quiet))
      windows.watched.push(await windowOf(daemon, seconds, () => watchedBy(engine)))
      windows.streams.push(await windowOf(daemon, seconds, () => streamsOf(docker, containers)))
    }
  } finally {
    await engine.close()
  }
  const added = (what: Percent[]) =>
    median(what.map(({ daemon, own }, i) => daemon + own - total(windows.nothing[i] as Percent)))
  const [watching, streaming] = [added(windows.watched), added(windows.streams)]
  return {
    ...{ containers: containers.length, windowSeconds: seconds, rounds: ROUNDS },
    nothing: medians(windows.nothing),
    watched: medians(windows.watched),
    streams: medians(windows.streams),
    addedByWatching: watching,
    addedByStreams: streaming,
    figures: [
      figure('daemon and own CPU added by watching', '% of a core', watching, {
        bar: { atMost: 5 },
        reference: { what: 'a stats stream of each', value: streaming },
      }),
    ],
  }
}

type End = () => void | Promise<void>
const quiet: End = () => {}

/** What begins is let settle first, and ends after the window. */
async function windowOf(daemon: readonly number[], seconds: number, begin: () => End | Promise<End>): Promise<Percent> {
  const end = await begin()
  await pause(3_000)
  const [daemonBefore, ownBefore, began] = [cpuMsOf(daemon), process.cpuUsage(), performance.now()]
  await pause(seconds * 1_000)
  const own = process.cpuUsage(ownBefore)
  const [daemonMs, ms] = [cpuMsOf(daemon) - daemonBefore, performance.now() - began]
  await end()
  return { daemon: rounded((daemonMs / ms) * 100), own: rounded(((own.user + own.system) / 1_000 / ms) * 100) }
}

/** Events, looks and weighings, as the product does them. */
async function watchedBy(engine: Engine): Promise<End> {
  const stop = new AbortController()
  const hear = (async () => {
    for await (const _nudge of engine.changes(stop.signal)) await engine.list()
  })()
  const look = (async () => {
    for (let looks = 0; !stop.signal.aborted; looks++) {
      const units = await engine.list()
      if (looks % LOOKS_A_WEIGHING === 0) await engine.usage(units.map(({ id }) => id))
      await pause(LOOK_MS, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  })()
  return async () => {
    stop.abort()
    await Promise.all([hear, look])
  }
}

async function streamsOf(docker: Docker, containers: readonly Docker.ContainerInfo[]): Promise<End> {
  const streams = await Promise.all(containers.map(({ Id }) => docker.getContainer(Id).stats({ stream: true })))
  for (const stream of streams) {
    stream.on('error', () => undefined)
    stream.on('data', (chunk: Buffer) => void chunk.length)
  }
  return () => {
    for (const stream of streams) (stream as unknown as { destroy(): void }).destroy()
  }
}

/** The daemon that answers by default, and the containerd that it started or else the machine's. */
function daemonPids(): number[] {
  const named = (name: string) => readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && commOf(entry) === name)
  const dockerd = readFileSync('/var/run/docker.pid', 'utf8').trim()
  const own = named('containerd').filter((pid) => statOf(pid)[1] === dockerd)
  return [dockerd, ...(own.length > 0 ? own : named('containerd'))].map(Number)
}

function commOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined // it ended meanwhile
  }
}

/** Of /proc/PID/stat, from the third field on: state, parent, … */
const statOf = (pid: string | number): string[] =>
  readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')

const cpuMsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const fields = statOf(pid)
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MS
  }, 0)

const total = ({ daemon, own }: Percent): number => daemon + own
const medians = (all: readonly Percent[]): Percent => ({
  daemon: median(all.map(({ daemon }) => daemon)),
  own: median(all.map(({ own }) => own)),
})
const median = (values: readonly number[]): number =>
  rounded([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0)
const rounded = (value: number): number => Math.round(value * 10) / 10

/** Idle servers of one line, for `use` alone. */
async function withBare<T>(count: number, use: (fleet: string) => Promise<T>): Promise<T> {
  const fleet = `test-watch-${process.pid}`
  const engine = await openDockerEngine({ fleet })
  const ids = Array.from({ length: count }, (_, i) => `planner-${i + 1}`)
  const each = async (work: (id: string) => Promise<void>) => {
    const left = [...ids]
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let id = left.pop(); id !== undefined; id = left.pop()) await work(id)
      }),
    )
  }
  try {
    await each((id) => engine.start(bareUnit(id)))
    return await use(fleet)
  } finally {
    await each((id) => engine.stop(id, { graceMs: 0, remove: true }))
    await engine.close()
  }
}

const bareUnit = (id: string): UnitSpec => ({
  id,
  unit: { kind: 'agent', role: 'planner', replica: Number(id.split('-')[1]) },
  specHash: 'bare',
  image: setting('ARBDECK_IMAGE_BASE', 'node:20.19-bookworm-slim'),
  command: ['node', '-e', 'setInterval(() => {}, 60000)'],
  ...{ env: {}, mounts: [], ports: [], networks: [], tmpfs: ['/tmp'], readOnlyRoot: true },
  memoryBytes: 64 * 2 ** 20,
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [first = 'arbdeck', ...rest] = process.argv.slice(2)
  const [count, seconds] = first === '--bare' ? [Number(rest[0] ?? 111), rest[1]] : [0, rest[0]]
  const measure = (fleet: string) => watchFleet(fleet, seconds === undefined ? undefined : Number(seconds))
  const figures = count > 0 ? await withBare(count, measure) : await measure(first)
  process.stdout.write(`${JSON.stringify(figures)}\n`)
}
