// What our image adds to its base, and how long an agent takes from the start of its process until it is ready.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type Docker from 'dockerode'
import { figure, quantile } from '../dex/figures.ts'
import { type BenchFleet, openBenchFleet } from './bench-fleet.ts'
import { bareServers, baseImage, cpuMsOf, readyAt } from './containers.ts'

const RUNS = 5
const ROLES = ['ui_coder', 'executor']
const BARS = { imageBytes: 12e6, startMs: 400 }
const TICKS_PER_SECOND = 100

interface Start {
  ms: number
  image: string
  /** Of the whole container until then, and up to a second longer: the daemon looks once a second. */
  cpuMs: number
}

async function startOf(fleet: BenchFleet, role: string): Promise<Start> {
  const { docker, client } = fleet
  const ready = await fleet.words(1)
  await client.scale([{ role, op: 'set', count: 1 }])
  await ready()
  const [agent] = await fleet.agents()
  if (!agent) throw new Error(`the ${role} is gone`)
  const info = await docker.getContainer(agent.id).inspect()
  const ms = (await readyAt(docker, agent.id)) - startedAt(info)
  const cpuMs = await cpuMsOf(docker, agent.id)
  await fleet.empty()
  return { ms, cpuMs, image: info.Config.Image }
}

/** Of the container's first process, as the kernel knows it; the daemon's own word comes later, by what it still had to do. */
function startedAt({ State }: Docker.ContainerInspectInfo): number {
  try {
    const ticks = Number(readFileSync(`/proc/${State.Pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19])
    const upSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
    return Date.now() - (upSeconds - ticks / TICKS_PER_SECOND) * 1_000
  } catch {
    return Date.parse(State.StartedAt)
  }
}

async function bareCpuMs({ docker }: BenchFleet): Promise<number> {
  const servers = await bareServers(docker, RUNS, 1)
  const all = await Promise.all((await servers.made()).map(({ id }) => cpuMsOf(docker, id)))
  await servers.remove(RUNS)
  return quantile(all, 0.5)
}

async function nodeMs(): Promise<number> {
  const began = performance.now()
  await once(spawn(process.execPath, ['-e', '0']), 'exit')
  return performance.now() - began
}

const fleet = await openBenchFleet(process.argv[2] ?? '')
const sizeOf = async (image: string) => (await fleet.docker.getImage(image).inspect()).Size
const starts: Record<string, { ms: number[]; cpuMs: number[] }> = {}
const node: number[] = []
let image = ''
for (const role of ROLES) {
  const runs: Start[] = []
  for (let run = 0; run < RUNS; run++) {
    node.push(await nodeMs())
    const start = await startOf(fleet, role)
    image = start.image
    runs.push(start)
  }
  starts[role] = { ms: runs.map(({ ms }) => Math.round(ms)), cpuMs: runs.map(({ cpuMs }) => Math.round(cpuMs)) }
}
const added = (await sizeOf(image)) - (await sizeOf(baseImage()))
const bareMs = await bareCpuMs(fleet)
await fleet.close()
const reference = { what: 'node -e 0', value: quantile(node, 0.5) }
process.stdout.write(
  JSON.stringify({
    starts,
    bareServerCpuMs: bareMs,
    figures: [
      figure('the agent image above its base', 'bytes', added, { bar: { atMost: BARS.imageBytes } }),
      ...ROLES.map((role) =>
        figure(`a ${role}'s process start to ready, p50`, 'ms', quantile(starts[role]?.ms ?? [], 0.5), {
          bar: { atMost: BARS.startMs },
          reference,
        }),
      ),
      figure(
        "a ui_coder's CPU to ready, to a bare server's",
        'ratio',
        quantile(starts.ui_coder?.cpuMs ?? [], 0.5) / bareMs,
      ),
    ],
  }),
)
process.exit()
