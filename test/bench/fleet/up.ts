// 0 → all agents → 0: of the product, of docker-compose with the same containers, and of bare servers through the raw API.
import { setTimeout as pause } from 'node:timers/promises'
import { LABELS } from '../../../src/ports/engine/docker/names.ts'
import { type Figure, figure } from '../dex/figures.ts'
import { type BenchFleet, openBenchFleet } from './bench-fleet.ts'
import { composeAgents, whyNoCompose } from './compose.ts'
import { bareServers, lastReady, lastStart, memoryOf, shimMemory } from './containers.ts'

const CONCURRENCIES = [4, 8]
const SETTLE_MS = 20_000
const LOOK_MS = 250
const BARS = { started: 1.15, healthy: 1.8, toCompose: 1.05, downToCompose: 0.7, bytes: 3e9 }

interface Times {
  /** Until the last container was started, until the last agent was ready, until none was there any more. */
  startedMs: number
  healthyMs: number
  downMs: number
}

const say = (text: string) => process.stderr.write(`bench:fleet: up: ${text}\n`)
const elapsed = (since: number) => Date.now() - since

async function bare({ docker }: BenchFleet, count: number, atOnce: number) {
  const began = Date.now()
  const servers = await bareServers(docker, count, atOnce)
  const startedMs = (await lastStart(docker, await servers.made())) - began
  const removing = Date.now()
  await servers.remove(8)
  say(`bare, ${atOnce} at once: ${startedMs} ms`)
  return { atOnce, startedMs, downMs: elapsed(removing) }
}

async function product(fleet: BenchFleet, count: number) {
  const { docker, client } = fleet
  const ready = await fleet.words(count)
  const began = Date.now()
  await client.scale([], 'full')
  await ready()
  const restarts = await fleet.whole()
  const agents = await fleet.agents()
  const times = {
    startedMs: (await lastStart(docker, agents)) - began,
    healthyMs: (await lastReady(docker, agents)) - began,
  }
  say(`arbdeck: started ${times.startedMs} ms, healthy ${times.healthyMs} ms, ${restarts} started again`)
  await pause(SETTLE_MS)
  const bytes = await memoryOf(docker, agents)
  const examples = new Map<string, Awaited<ReturnType<typeof inspect>>>()
  const inspect = (id: string) => docker.getContainer(id).inspect()
  for (const { id, labels } of agents) {
    const role = labels[LABELS.role] as string
    if (labels[LABELS.replica] === '1') examples.set(role, await inspect(id))
  }
  const shims = shimMemory(agents)
  const leaving = Date.now()
  await fleet.empty()
  return { times: { ...times, downMs: elapsed(leaving) } satisfies Times, restarts, bytes, shims, examples }
}

async function compose(
  fleet: BenchFleet,
  examples: Parameters<typeof composeAgents>[1],
  count: number,
): Promise<Times> {
  const { docker } = fleet
  const agents = composeAgents(docker, examples, await fleet.counts('full'))
  try {
    const ready = await fleet.words(count)
    const began = Date.now()
    await agents.up()
    await ready()
    // An executor says two words when it gets a key after all.
    while ((await agents.made()).length < count) await pause(LOOK_MS)
    const made = await agents.made()
    const startedMs = (await lastStart(docker, made)) - began
    const healthyMs = (await lastReady(docker, made)) - began
    say(`docker-compose: started ${startedMs} ms, healthy ${healthyMs} ms`)
    const leaving = Date.now()
    await agents.down()
    return { startedMs, healthyMs, downMs: elapsed(leaving) }
  } finally {
    await agents.down().catch((thrown: Error) => say(thrown.message))
    agents.close()
  }
}

function figures(count: number, bareMs: number, ours: Times, theirs: Times | undefined, bytes: number): Figure[] {
  const ratio = (what: string, value: number, to: number, atMost: number) =>
    figure(`0 → ${count} ${what}`, 'ratio', value / to, { bar: { atMost } })
  return [
    figure(`0 → ${count} bare servers started`, 'ms', bareMs),
    figure(`0 → ${count} agents started`, 'ms', ours.startedMs),
    ratio('agents started, to bare servers', ours.startedMs, bareMs, BARS.started),
    figure(`0 → ${count} agents healthy`, 'ms', ours.healthyMs),
    ratio('agents healthy, to bare servers started', ours.healthyMs, bareMs, BARS.healthy),
    ...(theirs
      ? [
          ratio('agents healthy, to docker-compose', ours.healthyMs, theirs.healthyMs, BARS.toCompose),
          figure(`${count} → 0, to docker-compose`, 'ratio', ours.downMs / theirs.downMs, {
            bar: { atMost: BARS.downToCompose },
          }),
        ]
      : []),
    figure(`memory of ${count} idle agents with their shims`, 'bytes', bytes, { bar: { atMost: BARS.bytes } }),
  ]
}

const fleet = await openBenchFleet(process.argv[2] ?? '')
const count = Object.values(await fleet.counts('full')).reduce((sum, n) => sum + n, 0)
const without = await whyNoCompose()
if (without !== undefined) say(`no comparison: ${without}`)
const references = []
for (const atOnce of CONCURRENCIES) references.push(await bare(fleet, count, atOnce))
const { times, restarts, bytes, shims, examples } = await product(fleet, count)
const theirs = without === undefined ? await compose(fleet, examples, count) : undefined
const agentBytes = bytes.reduce((sum, one) => sum + one, 0)
const best = Math.min(...references.map(({ startedMs }) => startedMs))
await fleet.close()
process.stdout.write(
  JSON.stringify({
    bare: references,
    arbdeck: { ...times, restarts },
    compose: theirs ?? without,
    memory: { agentBytes, shimBytes: shims ?? 'not seen: needs root on the daemon’s machine' },
    figures: figures(count, best, times, theirs, agentBytes + (shims ?? Number.NaN)),
  }),
)
process.exit()
