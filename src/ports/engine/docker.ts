import { type ConnectOptions, connectDocker, type DockerConnection } from './docker/connect.ts'
import { EventStream } from './docker/events.ts'
import { startUnit, stopUnit } from './docker/lifecycle.ts'
import { readLogs } from './docker/logs.ts'
import { Looks } from './docker/looks.ts'
import { UsageReader } from './docker/usage.ts'
import type { Engine } from './engine.ts'

export interface DockerEngineOptions extends ConnectOptions {
  fleet: string
  /** One that is open already, instead of `host`. */
  connection?: DockerConnection
  /** Where the kernel's account of containers may be; default the usual places. */
  cgroupRoots?: readonly string[]
}

/**
 * Runs the fleet's units as containers of a Docker daemon.
 * @throws FleetError `engine_unreachable`, `engine_too_old`, `config_invalid`
 */
export async function openDockerEngine(options: DockerEngineOptions): Promise<Engine> {
  const { fleet } = options
  const connection = options.connection ?? (await connectDocker(options))
  const looks = new Looks(connection, fleet)
  const events = new EventStream(connection, fleet, looks)
  const usage = new UsageReader(connection, looks, options.cgroupRoots)
  let looked = false
  return {
    name: 'docker',
    list: () => {
      // Who looks a second time watches: then hearing of changes is cheaper than inspecting all again.
      if (looked) events.open()
      looked = true
      return looks.list()
    },
    start: (unit) => startUnit(connection, fleet, unit),
    stop: (id, how) => stopUnit(connection, fleet, id, how),
    logs: (id, how, signal) => readLogs(connection, fleet, id, how, signal),
    changes: (signal) => events.listen(signal),
    usage: (ids) => usage.read(ids),
    close: async () => events.close(),
  }
}
