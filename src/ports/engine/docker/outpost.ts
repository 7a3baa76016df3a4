import type { DockerConnection } from './connect.ts'
import { removeErrand } from './errand.ts'
import { LABELS, networkName } from './names.ts'
import { openRelay, type Relay } from './relay.ts'

/** Does nothing, and ends by itself when whoever made it is gone. */
const WAIT = 'setTimeout(() => process.exit(0), 60_000)'

/** A container in a network of the fleet, by which this machine sees what its other containers see. */
export interface Outpost {
  /** Addresses by which containers may reach this machine, likeliest first. */
  readonly ways: readonly string[]
  /** A port of this machine that leads to an address as the container reaches it. */
  relay(host: string, port: number): Promise<Relay>
  remove(): Promise<void>
}

/**
 * @param network without the fleet's prefix; it must be there
 * @param image has `node`; needs no shell
 */
export async function openOutpost(
  connection: DockerConnection,
  fleet: string,
  { network, image }: { network: string; image: string },
): Promise<Outpost> {
  const { docker, ask } = connection
  const full = networkName(fleet, network)
  const container = await ask(
    'create a container to look from',
    () =>
      docker.createContainer({
        Image: image,
        Entrypoint: ['node'],
        Cmd: ['-e', WAIT],
        User: '65534:65534',
        Labels: { [LABELS.fleet]: fleet, [LABELS.errand]: 'outpost' },
        HostConfig: {
          NetworkMode: full,
          Init: true,
          ReadonlyRootfs: true,
          CapDrop: ['ALL'],
          SecurityOpt: ['no-new-privileges'],
          PidsLimit: 64,
          LogConfig: { Type: 'none', Config: {} },
        },
      }),
    { image },
  )
  const remove = () => removeErrand(connection, container)
  try {
    await ask('start a container to look from', () => container.start(), { image })
    // Docker's own bridge is the same for every fleet and before any is made; Docker Desktop knows this machine by a name.
    const gateways = await Promise.all(['bridge', full].map((name) => gatewayOf(connection, name)))
    const ways = [...gateways.flat(), 'host.docker.internal']
    return { ways, remove, relay: (host, port) => openRelay(connection, container.id, host, port) }
  } catch (thrown) {
    await remove()
    throw thrown
  }
}

/** None where a daemon has no such network. */
async function gatewayOf({ docker, ask }: DockerConnection, network: string): Promise<string[]> {
  try {
    const { IPAM } = await ask(`look at the network ${network}`, () => docker.getNetwork(network).inspect())
    const configs = (IPAM?.Config ?? []) as { Gateway?: string }[]
    return configs.flatMap(({ Gateway }) => (Gateway !== undefined && /^[\d.]+$/.test(Gateway) ? [Gateway] : []))
  } catch {
    return []
  }
}
