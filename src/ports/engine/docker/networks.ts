import type { NetworkInspectInfo } from 'dockerode'
import { FleetError } from '../../../protocol/errors.ts'
import type { NetworkReach } from '../provision.ts'
import type { DockerConnection } from './connect.ts'
import { removeErrands } from './errand.ts'
import { statusOf } from './errors.ts'
import { fleetFilter, LABELS, networkName, notOurs } from './names.ts'

/** Without an address of its own the bridge is no gateway: the machine's own ports are not reached through it. */
const NO_GATEWAY = 'com.docker.network.bridge.inhibit_ipv4'
const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade'

/** How Docker is told where a network leads. */
export function networkSettings(reach: NetworkReach): { internal: boolean; options: Record<string, string> } {
  switch (reach) {
    case 'closed':
      return { internal: true, options: { [NO_GATEWAY]: 'true' } }
    case 'published':
      return { internal: false, options: { [MASQUERADE]: 'false' } }
    case 'open':
      return { internal: false, options: {} }
  }
}

function leads(network: NetworkInspectInfo, reach: NetworkReach): boolean {
  const { internal, options } = networkSettings(reach)
  const is = network.Options ?? {}
  return network.Internal === internal && [NO_GATEWAY, MASQUERADE].every((name) => is[name] === options[name])
}

export async function ensureNetwork(
  connection: DockerConnection,
  fleet: string,
  name: string,
  reach: NetworkReach,
): Promise<void> {
  const full = networkName(fleet, name)
  const there = await networksNamed(connection, full)
  if (there.some((network) => network.Labels?.[LABELS.fleet] !== fleet)) throw notOurs('network', full, fleet)
  for (const network of there.filter((one) => !leads(one, reach))) await removeOther(connection, fleet, network)
  if (!there.some((network) => leads(network, reach))) await createNetwork(connection, fleet, full, reach)
  // Docker gives two who ask at the same moment a network each, of one name: the older stays.
  const [, ...surplus] = await networksNamed(connection, full)
  for (const network of surplus) await removeNetwork(connection, network)
}

/** One that leads elsewhere: of another chain, or of a version before. */
async function removeOther(connection: DockerConnection, fleet: string, network: NetworkInspectInfo): Promise<void> {
  try {
    await removeNetwork(connection, network)
  } catch (thrown) {
    if (!/has active endpoints/i.test((thrown as Error).message)) throw thrown
    throw new FleetError('fleet_conflict', `the network ${network.Name} leads elsewhere, and containers run on it`, {
      remedy: `Take the fleet down first: arbdeck down --fleet ${fleet}.`,
      cause: thrown,
    })
  }
}

async function createNetwork({ docker, ask }: DockerConnection, fleet: string, full: string, reach: NetworkReach) {
  const { internal, options } = networkSettings(reach)
  await ask(`make the network ${full}`, async () => {
    try {
      await docker.createNetwork({
        Name: full,
        Driver: 'bridge',
        CheckDuplicate: true,
        Internal: internal,
        Options: options,
        Labels: { [LABELS.fleet]: fleet },
      })
    } catch (thrown) {
      if (statusOf(thrown) !== 409) throw thrown
    }
  })
}

/** Oldest first. The daemon's filter finds parts of names too. */
async function networksNamed({ docker, ask }: DockerConnection, full: string): Promise<NetworkInspectInfo[]> {
  const found = await ask(`look for the network ${full}`, () => docker.listNetworks({ filters: { name: [full] } }))
  const age = (network: NetworkInspectInfo) => `${network.Created} ${network.Id}`
  return found.filter((network) => network.Name === full).sort((a, b) => (age(a) < age(b) ? -1 : 1))
}

export async function removeNetworks(connection: DockerConnection, fleet: string): Promise<void> {
  await removeErrands(connection, fleet)
  const { docker, ask } = connection
  const networks = await ask('list the networks of the fleet', () =>
    docker.listNetworks({ filters: fleetFilter(fleet) }),
  )
  for (const network of networks) await removeNetwork(connection, network)
}

async function removeNetwork({ docker, ask }: DockerConnection, { Id, Name }: NetworkInspectInfo): Promise<void> {
  await ask(`remove the network ${Name}`, async () => {
    try {
      await docker.getNetwork(Id).remove()
    } catch (thrown) {
      if (statusOf(thrown) !== 404) throw thrown
    }
  })
}
