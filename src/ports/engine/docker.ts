import { type ConnectOptions, connectDocker, type DockerConnection } from './docker/connect.ts'
import { observed } from './docker/container.ts'
import { EventStream } from './docker/events.ts'
import { inspect, startUnit, stopUnit } from './docker/lifecycle.ts'
import { readLogs } from './docker/logs.ts'
import { fleetFilter } from './docker/names.ts'
import { UsageReader } from './docker/usage.ts'
import type { Engine, ObservedUnit } from './engine.ts'

export interface DockerEngineOptions extends ConnectOptions {
  fleet: string
  /** One that is open already, instead of `host`. */
  connection?: DockerConnection
}

/**
 * Runs the fleet's units as containers of a Docker daemon.
 * @throws FleetError `engine_unreachable`, `engine_too_old`, `config_invalid`
 */
export async function openDockerEngine(options: DockerEngineOptions): Promise<Engine> {
  const { fleet } = options
  const connection = options.connection ?? (await connectDocker(options))
  const events = new EventStream(connection, fleet)
  const usage = new UsageReader(connection, fleet)
  return {
    name: 'docker',
    list: () => list(connection, fleet),
    start: (unit) => startUnit(connection, fleet, unit),
    stop: (id, how) => stopUnit(connection, fleet, id, how),
    logs: (id, how, signal) => readLogs(connection, fleet, id, how, signal),
    changes: (signal) => events.listen(signal),
    usage: (ids) => usage.read(ids),
    close: async () => events.close(),
  }
}

async function list(connection: DockerConnection, fleet: string): Promise<ObservedUnit[]> {
  const containers = await connection.ask('list the containers of the fleet', (abortSignal) =>
    connection.docker.listContainers({ all: true, filters: fleetFilter(fleet), abortSignal }),
  )
  const units = await Promise.all(
    containers.map(async ({ Id }) => {
      const info = await inspect(connection, Id)
      return info && observed(fleet, info) // gone since: then it is not there
    }),
  )
  return units.filter((unit) => unit !== undefined)
}
