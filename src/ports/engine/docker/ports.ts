import { FleetError } from '../../../protocol/errors.ts'
import type { UnitSpec } from '../engine.ts'
import type { DockerConnection } from './connect.ts'

const HUB_PORT = 3000

/** When the daemon's words say that a port is taken: the error that says which, by whom where it can be seen, and the way out. */
export async function portTaken(
  connection: DockerConnection,
  unit: UnitSpec,
  words: string,
  cause: unknown,
): Promise<FleetError | undefined> {
  if (!/port is already allocated|address already in use|ports are not available/i.test(words)) return undefined
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(words)?.[1] ?? unit.ports[0]?.host)
  const holder = await holderOf(connection, port).catch(() => undefined) // only a nicety: never instead of the error itself
  const who = holder === undefined ? 'another process of that machine' : `the container ${holder}`
  return new FleetError('port_taken', `the port 127.0.0.1:${port}, which ${unit.id} needs, is taken by ${who}`, {
    remedy: `${holder === undefined ? `See who with: ss -ltnp sport = :${port}` : `Stop it with: docker stop ${holder}`}; ${wayOut(unit, port)}`,
    cause,
  })
}

function wayOut(unit: UnitSpec, port: number): string {
  return unit.id === 'hub'
    ? `or move the hub with --hub-port ${port === HUB_PORT ? HUB_PORT + 1 : port + 1}.`
    : 'or run it again: only the hub insists on its port.'
}

async function holderOf(connection: DockerConnection, port: number): Promise<string | undefined> {
  const containers = await connection.docker.listContainers()
  const holder = containers.find((container) => container.Ports.some((published) => published.PublicPort === port))
  return holder?.Names[0]?.replace(/^\//, '')
}
