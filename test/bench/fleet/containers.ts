import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type Docker from 'dockerode'
import { setting } from '../../fixtures/env.ts'

const BARE_LABEL = 'arbdeck.test=bench'
/** The reference of all: a one-line HTTP server on Node. */
const SERVER = "require('http').createServer((_, r) => r.end()).listen(80)"
const LOOK_MS = 100
const LOOKS_FOR_ENDPOINTS = 20
const READY = '"message":"agent started"'

export const baseImage = (): string => setting('ARBDECK_IMAGE_BASE', 'node:20.19-bookworm-slim')

/** A container as a list names it. */
export interface Made {
  id: string
  labels: Readonly<Record<string, string>>
}

export async function all(docker: Docker, label: string): Promise<Made[]> {
  const listed = await docker.listContainers({ all: true, filters: { label: [label] } })
  return listed.map(({ Id, Labels }) => ({ id: Id, labels: Labels }))
}

export async function untilNone(list: () => Promise<readonly unknown[]>): Promise<void> {
  while ((await list()).length > 0) await pause(LOOK_MS)
}

/** Works off a list, so many at once. */
export async function several<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values()
  const hand = async () => {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, hand))
}

/** Creates and starts bare servers through the raw API, so many at once, on one bridge of their own. */
export async function bareServers(docker: Docker, count: number, atOnce: number) {
  const network = await docker.createNetwork({
    Name: `test-bench-bare-${process.pid}`,
    Labels: { 'arbdeck.test': 'bench' },
  })
  await several(Array.from({ length: count }), atOnce, async () => {
    const container = await docker.createContainer({
      Image: baseImage(),
      Entrypoint: ['node', '-e', SERVER],
      Labels: { 'arbdeck.test': 'bench' },
      HostConfig: { Init: true, NetworkMode: network.id },
    })
    await container.start()
  })
  return {
    made: () => all(docker, BARE_LABEL),
    remove: async (removeAtOnce: number) => {
      await several(await all(docker, BARE_LABEL), removeAtOnce, ({ id }) =>
        docker.getContainer(id).remove({ force: true }),
      )
      await gone(network)
    },
  }
}

/** Docker 20.10 may keep a place in the network of a container that it has removed, until it is started again. */
async function gone(network: Docker.Network): Promise<void> {
  for (let left = LOOKS_FOR_ENDPOINTS; left > 0; left--) {
    const failure = await network.remove().then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    if (!failure) return
    if (left === 1) process.stderr.write(`bench:fleet: left behind: ${failure.message}\n`)
    await pause(LOOK_MS)
  }
}

/** When the last of them was started, in milliseconds since 1970, as the daemon says. */
export async function lastStart(docker: Docker, made: readonly Made[]): Promise<number> {
  const infos = await Promise.all(made.map(({ id }) => docker.getContainer(id).inspect()))
  return Math.max(...infos.map(({ State }) => Date.parse(State.StartedAt)))
}

/** When the last of these agents was ready, as each says in its log at that moment; waits for who has not yet. */
export async function lastReady(docker: Docker, made: readonly Made[]): Promise<number> {
  let last = 0
  await several(made, 8, async ({ id }) => {
    last = Math.max(last, await readyAt(docker, id))
  })
  return last
}

export async function readyAt(docker: Docker, id: string): Promise<number> {
  for (;;) {
    const said = (await docker.getContainer(id).logs({ stdout: true, stderr: true, tail: 200 })).toString()
    const line = said.split('\n').find((one) => one.includes(READY))
    if (line !== undefined) return Date.parse((/"at":"([^"]+)"/.exec(line) ?? [])[1] ?? '')
    const { State } = await docker.getContainer(id).inspect()
    if (!State.Running) throw new Error(`an agent ended with ${State.ExitCode}: ${said.slice(-500)}`)
    await pause(LOOK_MS)
  }
}

/** What the kernel charges each container with, in bytes: its own memory, its share of the page cache, the kernel's for it. */
export async function memoryOf(docker: Docker, made: readonly Made[]): Promise<number[]> {
  return Promise.all(made.map(async ({ id }) => (await statsOf(docker, id)).memory_stats.usage))
}

/** CPU that a container has used since its start, in milliseconds. */
export const cpuMsOf = async (docker: Docker, id: string): Promise<number> =>
  (await statsOf(docker, id)).cpu_stats.cpu_usage.total_usage / 1e6

const statsOf = (docker: Docker, id: string): Promise<Docker.ContainerStats> =>
  docker.getContainer(id).stats({ stream: false, 'one-shot': true })

/**
 * Proportional memory of the shims, which no container is charged with, in bytes.
 * @returns undefined where the daemon's processes cannot be looked into: on another machine, or not as root
 */
export function shimMemory(made: readonly Made[]): number | undefined {
  const ids = new Set(made.map(({ id }) => id))
  let bytes = 0
  let found = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (!/containerd-shim/.test(args[0] ?? '') || !ids.has(args[args.indexOf('-id') + 1] ?? '')) continue
      const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
      bytes += Number(pss?.[1]) * 1_024
      found += 1
    } catch {
      // it ended meanwhile, or is not ours to look into
    }
  }
  return found === ids.size ? bytes : undefined
}
