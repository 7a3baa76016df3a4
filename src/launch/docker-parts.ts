import { fileURLToPath } from 'node:url'
import { DirectClient } from '../client/direct.ts'
import { openHubClient } from '../client/hub.ts'
import { notRunning } from '../client/socket.ts'
import { StateFolder } from '../client/state.ts'
import { composeTags } from '../fleet/compose-inputs.ts'
import { imageChoice } from '../fleet/images.ts'
import { type FleetSecrets, makeSecrets, readSecrets } from '../fleet/secrets.ts'
import { fleetUnits } from '../fleet/units.ts'
import { connectDocker, type DockerConnection } from '../ports/engine/docker/connect.ts'
import { containerName } from '../ports/engine/docker/names.ts'
import { isLocal, openRelay, type Relay } from '../ports/engine/docker/relay.ts'
import { openDockerEngine } from '../ports/engine/docker.ts'
import { openDockerProvisioner } from '../ports/engine/docker-provision.ts'
import type { Engine } from '../ports/engine/engine.ts'
import type { Provisioner } from '../ports/engine/provision.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { openMemory } from '../ports/memory/open.ts'
import { FleetError } from '../protocol/errors.ts'
import type { ServiceName } from '../protocol/fleet.ts'
import { keepDockerWhole } from './keep-whole.ts'

const REDIS_PORT = 6_379
const HUB_PORT = 3_000
const SECRETS_FILE = 'secrets.json'

/** A daemon that answered, and what this fleet is on it. */
export interface DockerParts {
  fleet: string
  state: StateFolder
  connection: DockerConnection
  engine: Engine
  provisioner: Provisioner
  /** Ways into the fleet of a daemon on another machine, by service. */
  relays: Map<ServiceName, Relay>
}

/** @throws FleetError `engine_unreachable`, `engine_too_old` */
export async function openDocker(fleet: string): Promise<DockerParts> {
  const connection = await connectDocker()
  const engine = await openDockerEngine({ fleet, connection })
  const provisioner = await openDockerProvisioner({ fleet, connection })
  return { fleet, state: new StateFolder(fleet), connection, engine, provisioner, relays: new Map() }
}

/** The secrets of the fleet: as this machine keeps them, else read back from their volumes; undefined when there are none. */
export async function findSecrets(parts: DockerParts): Promise<FleetSecrets | undefined> {
  const { fleet, state, provisioner } = parts
  const kept = keptSecrets(parts)
  if (kept) return kept
  const image = await imageWithNode(provisioner, fleet)
  if (image === undefined) return undefined
  const found = await readSecrets(provisioner, fleet, image)
  if (found) keepSecrets(state, found)
  return found
}

/** The base; where compose built the images its builder may have kept no copy of that. */
async function imageWithNode(provisioner: Provisioner, fleet: string): Promise<string | undefined> {
  for (const image of [imageChoice(process.env).base, composeTags(fleet).agent])
    if (await provisioner.hasImage(image)) return image
  return undefined
}

/** As this machine keeps them. */
export function keptSecrets({ state }: DockerParts): FleetSecrets | undefined {
  const kept = state.read(SECRETS_FILE)
  return kept === undefined ? undefined : (JSON.parse(kept) as FleetSecrets)
}

export async function findOrMakeSecrets(parts: DockerParts): Promise<FleetSecrets> {
  const found = await findSecrets(parts)
  if (found) return found
  const made = makeSecrets()
  keepSecrets(parts.state, made)
  return made
}

function keepSecrets(state: StateFolder, secrets: FleetSecrets): void {
  state.write(SECRETS_FILE, JSON.stringify(secrets))
  state.write('token', `${secrets.operatorToken}\n`)
}

/**
 * Shared memory as this machine reaches it: by the port that Redis publishes, or, when the daemon is on another machine,
 * by a relay through the controller's container.
 * @throws FleetError `fleet_not_running` when Redis (or the controller, where it is needed) does not run
 */
export async function openDockerMemory(
  parts: DockerParts,
  secrets: FleetSecrets,
  waitMs: number,
): Promise<SharedMemory> {
  const port = await reach(parts, 'redis', REDIS_PORT)
  if (port === undefined) throw notRunning(parts.fleet, undefined, 'docker')
  return openMemory(`redis://127.0.0.1:${port}`, { fleet: parts.fleet, password: secrets.redisPassword, waitMs })
}

/** Port of 127.0.0.1 by which this machine reaches a port of a service; undefined while the service does not run. */
async function reach(
  { connection, engine, fleet, relays }: DockerParts,
  service: ServiceName,
  port: number,
): Promise<number | undefined> {
  const units = await engine.list()
  const running = (id: string) => units.find((unit) => unit.id === id && unit.state === 'running')
  if (isLocal(connection.address)) return running(service)?.ports[port]
  if (!running(service) || !running('controller')) return undefined
  const known = relays.get(service)
  if (known) return known.port
  const relay = await openRelay(connection, containerName(fleet, 'controller'), service, port)
  relays.set(service, relay)
  return relay.port
}

/** The client of a fleet on Docker: engine and shared memory directly, the hub's port for tools and records. */
export function dockerClient(
  parts: DockerParts,
  memory: SharedMemory,
  secrets: FleetSecrets,
  end: (how: { remove: boolean; volumes: boolean }) => Promise<void>,
): DirectClient {
  const { engine, fleet } = parts
  const withHub = async <T>(use: (hub: ReturnType<typeof openHubClient>) => Promise<T>): Promise<T> => {
    const port = await reach(parts, 'hub', HUB_PORT)
    if (port === undefined) throw noHub()
    const hub = openHubClient({ url: `http://127.0.0.1:${port}`, token: secrets.operatorToken })
    try {
      return await use(hub)
    } finally {
      await hub.close()
    }
  }
  return new DirectClient({
    fleet,
    engineName: 'docker',
    engine,
    memory,
    records: { records: ({ kind, ...query }) => withHub((hub) => hub.records(kind, query)) },
    hub: { tools: () => withHub((hub) => hub.tools()), call: (tool, input) => withHub((hub) => hub.call(tool, input)) },
    by: 'operator',
    unitsOf: fleetUnits,
    keepWhole: () => keepDockerWhole(engine, memory),
    end,
    close: async () => {
      await Promise.allSettled([memory.close(), engine.close()])
      for (const relay of parts.relays.values()) relay.close()
    },
  })
}

const noHub = (): FleetError =>
  new FleetError(
    'hub_unreachable',
    'the hub does not run: tools, records and the logs of agents that are gone come through it',
    {
      remedy: 'The controller brings it back; see arbdeck status, or arbdeck restart hub.',
      transient: true,
    },
  )

/** Where this build has what goes into the images. */
export function imageSources(entry: string) {
  const build = new URL('.', `file://${entry}`)
  const root = new URL('../../', build)
  return {
    bundleDir: fileURLToPath(new URL('image', build)),
    dockerfileDir: fileURLToPath(new URL('agent', root)),
    artefacts: fileURLToPath(new URL('dist/sandbox/artefacts.json.gz', root)),
  }
}

/** Port of the hub unless one is given: the known one for the default fleet, a free one for others. */
export const usualHubPort = (fleet: string): number => (fleet === 'arbdeck' ? HUB_PORT : 0)
