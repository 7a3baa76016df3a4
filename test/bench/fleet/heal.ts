// kill -9 of agents of a fleet that runs on Docker, one after another: milliseconds to a healthy replacement, beside those of a
// bare container's start. Prints JSON. Usage: heal.mjs FLEET [KILLS]
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connectDocker } from '../../../src/ports/engine/docker/connect.ts'
import { containerName } from '../../../src/ports/engine/docker/names.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { isWhole } from '../../../src/protocol/snapshot.ts'
import { setting } from '../../fixtures/env.ts'
import { figure } from '../dex/figures.ts'
import { attach } from './client.ts'

const SERVER = "require('http').createServer((_, r) => r.end()).listen(80)"
/** An agent that is not back by then counts as lost. */
const LOST_MS = 60_000
const BETWEEN_MS = 500
const BARS_MS = { p50: 1_500, p99: 5_000 }

interface Spread {
  p50: number
  p99: number
  max: number
}

export interface HealFigures {
  agents: number
  kills: number
  /** From the kill to the replacement's word that it is healthy. */
  healthyMs: Spread
  /** Create and start of a one-line Node server, between the kills. */
  bareStartMs: Spread
}

type Client = Awaited<ReturnType<typeof attach>>
type Docker = Awaited<ReturnType<typeof connectDocker>>['docker']

/** @param fleet runs and is whole; every agent is killed once at most, in an order that differs from run to run */
export async function heal(fleet: string, kills = 21): Promise<HealFigures> {
  const client = await attach(fleet)
  const { docker } = await connectDocker()
  try {
    const { agents } = await client.snapshot()
    const chosen = shuffled(agents.map(({ id }) => id)).slice(0, kills)
    const healthyMs: number[] = []
    const bareMs: number[] = []
    for (const id of chosen) {
      await whole(client)
      bareMs.push(await bareStart(docker))
      const back = healthyAgain(client, id)
      await pause(BETWEEN_MS)
      const began = performance.now()
      await docker.getContainer(containerName(fleet, id)).kill({ signal: 'SIGKILL' })
      await back
      healthyMs.push(performance.now() - began)
    }
    return { agents: agents.length, kills: chosen.length, healthyMs: spread(healthyMs), bareStartMs: spread(bareMs) }
  } finally {
    await client.close()
  }
}

/** Resolves at the next word of an agent that it is well. */
async function healthyAgain(client: Client, id: string): Promise<void> {
  const late = AbortSignal.timeout(LOST_MS)
  const since = now()
  for await (const event of client.events({ follow: true }, late))
    if (event.type === 'agent' && event.id === id && event.at >= since && /^(healthy|standby)$/.test(event.state))
      return
  throw new Error(`${id} did not come back within ${LOST_MS} ms`)
}

async function whole(client: Client): Promise<void> {
  const until = Date.now() + LOST_MS
  while (!isWhole(await client.snapshot())) {
    if (Date.now() > until) throw new Error('the fleet is not whole')
    await pause(250)
  }
}

async function bareStart(docker: Docker): Promise<number> {
  const began = performance.now()
  const container = await docker.createContainer({
    Image: setting('ARBDECK_IMAGE_BASE', 'node:20.19-bookworm-slim'),
    Entrypoint: ['node', '-e', SERVER],
    HostConfig: { Init: true },
  })
  await container.start()
  const ms = performance.now() - began
  await container.remove({ force: true })
  return ms
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value)
}

function spread(ms: readonly number[]): Spread {
  const sorted = [...ms].sort((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [fleet = 'arbdeck', kills] = process.argv.slice(2)
  const healed = await heal(fleet, kills === undefined ? undefined : Number(kills))
  const { p50, p99 } = healed.healthyMs
  const reference = { what: 'a bare container started, p50', value: healed.bareStartMs.p50 }
  const figures = [
    figure('kill -9 to a healthy replacement, p50', 'ms', p50, { bar: { atMost: BARS_MS.p50 }, reference }),
    figure('kill -9 to a healthy replacement, p99', 'ms', p99, { bar: { atMost: BARS_MS.p99 } }),
  ]
  process.stdout.write(`${JSON.stringify({ ...healed, figures })}\n`)
}
