import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import { all, type Made } from './containers.ts'

const run = promisify(execFile)
const NANO = 1_000_000_000
const LIMIT_MS = 900_000

/** The same agents under docker-compose: one service a role, scaled. */
export interface ComposeAgents {
  up(): Promise<void>
  down(): Promise<void>
  made(): Promise<Made[]>
  close(): void
}

/** Why docker-compose cannot be compared with; undefined when it can. */
export async function whyNoCompose(): Promise<string | undefined> {
  const version = await run('docker-compose', ['version', '--short']).catch(() => undefined)
  return version ? undefined : 'docker-compose is not installed (Debian: apt-get install docker-compose)'
}

/**
 * Has docker-compose run exactly what the fleet ran: image, command, environment, limits, volumes and networks of each
 * role's container, on the same Redis, RabbitMQ and Postgres; without the fleet's labels, so that the controller leaves
 * them alone. All agents of a role bear its first one's name: compose numbers them, and tells nobody.
 *
 * @param examples one container a role, as Docker inspects it
 */
export function composeAgents(
  docker: Docker,
  examples: ReadonlyMap<string, Docker.ContainerInspectInfo>,
  counts: Readonly<Record<string, number>>,
): ComposeAgents {
  const project = `test-bench-compose-${process.pid}`
  const folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-compose-'))
  const file = path.join(folder, 'docker-compose.json')
  const services = Object.fromEntries([...examples].map(([role, info]) => [role, serviceOf(info)]))
  const named = (names: Iterable<string>) => Object.fromEntries([...names].map((name) => [name, { external: true }]))
  const networks = named(new Set(Object.values(services).flatMap((service) => service.networks)))
  const volumes = named(new Set(Object.values(services).flatMap((service) => service.volumes.map((v) => v.source))))
  writeFileSync(file, JSON.stringify({ version: '2.4', services, networks, volumes }))
  const compose = (...args: string[]) =>
    run('docker-compose', ['--project-name', project, '--file', file, ...args], {
      timeout: LIMIT_MS,
      maxBuffer: 64 * 1024 * 1024,
    })
  const scale = [...examples.keys()].flatMap((role) => ['--scale', `${role}=${counts[role] ?? 0}`])
  return {
    up: async () => void (await compose('up', '--detach', ...scale)),
    down: async () => void (await compose('down')),
    made: () => all(docker, `com.docker.compose.project=${project}`),
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function serviceOf({ Config, HostConfig, Mounts, NetworkSettings }: Docker.ContainerInspectInfo) {
  return {
    image: Config.Image,
    command: Config.Cmd,
    environment: Config.Env,
    user: Config.User,
    read_only: HostConfig.ReadonlyRootfs,
    init: HostConfig.Init,
    cap_drop: HostConfig.CapDrop,
    security_opt: HostConfig.SecurityOpt,
    pids_limit: HostConfig.PidsLimit,
    cpus: (HostConfig.NanoCpus ?? 0) / NANO,
    mem_limit: HostConfig.Memory,
    memswap_limit: HostConfig.MemorySwap,
    tmpfs: Object.entries((HostConfig.Tmpfs ?? {}) as Record<string, string>).map(
      ([target, how]) => `${target}:${how}`,
    ),
    volumes: Mounts.map(({ Name, Destination, RW }) => ({
      type: 'volume',
      source: Name ?? '',
      target: Destination,
      read_only: !RW,
    })),
    networks: Object.keys(NetworkSettings.Networks),
    dns: HostConfig.Dns,
    dns_search: HostConfig.DnsSearch,
    dns_opt: HostConfig.DnsOptions,
    logging: { driver: HostConfig.LogConfig?.Type, options: HostConfig.LogConfig?.Config },
  }
}
