import { setTimeout as pause } from 'node:timers/promises'
import type Docker from 'dockerode'
import { FleetError } from '../../../protocol/errors.ts'
import type { UnitSpec } from '../engine.ts'
import type { DockerConnection } from './connect.ts'
import { createOptions, restartsOf, stateOf } from './container.ts'
import { daemonsWords, statusOf } from './errors.ts'
import { aliases, containerName, LABELS, networkName, notOurs } from './names.ts'
import { portTaken } from './ports.ts'

const ATTEMPTS = 6
const REPLACE_GRACE_MS = 10_000
/** On top of the grace: what the daemon itself may take. */
const SLACK_MS = 30_000

/**
 * Makes the unit's container run as described. Others may do the same at the same time: whoever loses a race looks again.
 */
export async function startUnit(connection: DockerConnection, fleet: string, unit: UnitSpec): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (await tryStart(connection, fleet, unit)) return
    await pause(100 * attempt)
  }
  throw new FleetError('engine_refused', `could not start ${unit.id}: others keep changing its container`, {
    remedy: 'See who else runs arbdeck on this fleet, then try again.',
    transient: true,
  })
}

/** @returns false when somebody else was quicker: look again */
async function tryStart(connection: DockerConnection, fleet: string, unit: UnitSpec): Promise<boolean> {
  const name = containerName(fleet, unit.id)
  const now = await inspect(connection, name)
  if (now && now.Config.Labels?.[LABELS.fleet] !== fleet) throw notOurs('container', name, fleet)
  const same = now?.Config.Labels?.[LABELS.spec] === unit.specHash
  if (now && same && stateOf(now) === 'running') return true
  // Created and not started: by us before a crash, or by another arbdeck that is about to start it. Both are finished here.
  if (now && same && stateOf(now) === 'created') return run(connection, unit, connection.docker.getContainer(now.Id))
  if (now) await discard(connection, unit, now)
  const failed = now && stateOf(now) === 'exited' && now.State.ExitCode !== 0
  const restarts = now ? restartsOf(now) + (failed ? 1 : 0) : 0
  const container = await create(connection, fleet, unit, restarts, same ? composeLabels(now) : {})
  return (
    container !== undefined && run(connection, unit, container, () => joinNetworks(connection, fleet, unit, container))
  )
}

/** Of a container that compose files made: with them it stays theirs when it is replaced by one like it. */
const composeLabels = (now: Docker.ContainerInspectInfo): Record<string, string> =>
  Object.fromEntries(Object.entries(now.Config.Labels ?? {}).filter(([name]) => name.startsWith(LABELS.compose)))

/** @returns undefined when the name was taken in the meantime */
async function create(
  connection: DockerConnection,
  fleet: string,
  unit: UnitSpec,
  restarts: number,
  labels: Record<string, string>,
) {
  const cpus = unit.cpus === undefined ? Number.POSITIVE_INFINITY : await connection.cpus()
  const options = createOptions({ fleet, address: connection.address, cpus }, unit, restarts)
  return connection.ask(
    `create ${unit.id}`,
    async (abortSignal) => {
      try {
        return await connection.docker.createContainer({
          ...options,
          Labels: { ...labels, ...options.Labels },
          abortSignal,
        })
      } catch (thrown) {
        if (statusOf(thrown) === 409) return undefined
        throw thrown
      }
    },
    { timeoutMs: 60_000, image: unit.image },
  )
}

/** Containers are created on their first network; the engine's API before 1.44 takes no more than one. */
async function joinNetworks(connection: DockerConnection, fleet: string, unit: UnitSpec, container: Docker.Container) {
  for (const name of unit.networks.slice(1)) {
    const network = connection.docker.getNetwork(networkName(fleet, name))
    await network.connect({ Container: container.id, EndpointConfig: { Aliases: aliases(unit.id, name) } })
  }
}

/** Starts what was created; a container that would not start is removed again. */
async function run(
  connection: DockerConnection,
  unit: UnitSpec,
  container: Docker.Container,
  prepare?: () => Promise<void>,
): Promise<boolean> {
  try {
    return await connection.ask(
      `start ${unit.id}`,
      async (abortSignal) => {
        try {
          await prepare?.()
          await container.start({ abortSignal })
          return true
        } catch (thrown) {
          if (statusOf(thrown) === 304) return true
          if (statusOf(thrown) === 404 && /no such container: /i.test((thrown as Error).message)) return false
          throw (await portTaken(connection, unit, daemonsWords((thrown as Error).message), thrown)) ?? thrown
        }
      },
      { timeoutMs: 120_000, image: unit.image },
    )
  } catch (thrown) {
    await remove(connection, unit.id, container).catch(() => undefined) // the first error is the one to tell
    throw thrown
  }
}

/** Ends and removes a container that is to be replaced. */
async function discard(connection: DockerConnection, unit: UnitSpec, now: Docker.ContainerInspectInfo): Promise<void> {
  const container = connection.docker.getContainer(now.Id)
  if (stateOf(now) === 'running') await end(connection, unit.id, container, REPLACE_GRACE_MS)
  await remove(connection, unit.id, container)
}

/** Stops the unit's container if there is one; with `remove` it is gone afterwards. */
export async function stopUnit(
  connection: DockerConnection,
  fleet: string,
  id: string,
  options: { graceMs: number; remove: boolean },
): Promise<void> {
  const now = await inspect(connection, containerName(fleet, id))
  if (!now || now.Config.Labels?.[LABELS.fleet] !== fleet) return
  const container = connection.docker.getContainer(now.Id)
  if (now.State.Running) await end(connection, id, container, options.graceMs)
  if (options.remove) await remove(connection, id, container)
}

/** SIGTERM, and SIGKILL after the grace, which Docker counts in whole seconds. */
function end(connection: DockerConnection, id: string, container: Docker.Container, graceMs: number): Promise<void> {
  return connection.ask(
    `stop ${id}`,
    (abortSignal) => unless([304, 404], container.stop({ t: Math.ceil(graceMs / 1000), abortSignal })),
    {
      timeoutMs: graceMs + SLACK_MS,
    },
  )
}

/** 409: somebody else is removing it already. */
function remove(connection: DockerConnection, id: string, container: Docker.Container): Promise<void> {
  return connection.ask(`remove ${id}`, () => unless([404, 409], container.remove({ force: true, v: true })), {
    timeoutMs: SLACK_MS,
  })
}

async function unless(statuses: readonly number[], request: Promise<unknown>): Promise<void> {
  try {
    await request
  } catch (thrown) {
    if (!statuses.includes(statusOf(thrown) ?? 0)) throw thrown
  }
}

/** undefined when there is no such container. */
export function inspect(
  connection: DockerConnection,
  nameOrId: string,
): Promise<Docker.ContainerInspectInfo | undefined> {
  return connection.ask(`inspect ${nameOrId}`, async (abortSignal) => {
    try {
      return await connection.docker.getContainer(nameOrId).inspect({ abortSignal })
    } catch (thrown) {
      if (statusOf(thrown) === 404) return undefined
      throw thrown
    }
  })
}
