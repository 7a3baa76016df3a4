import type { NetworkInspectInfo } from 'dockerode'
import { describeAddress } from './docker/address.ts'
import { type ConnectOptions, connectDocker, type DockerConnection } from './docker/connect.ts'
import { removeErrands } from './docker/errand.ts'
import { statusOf } from './docker/errors.ts'
import { dockerImages } from './docker/images.ts'
import { fleetFilter, LABELS, networkName, notOurs } from './docker/names.ts'
import { ensureVolume, fillVolumes, readVolume, removeVolumes } from './docker/volumes.ts'
import type { EngineFacts, Provisioner } from './provision.ts'

export interface DockerProvisionerOptions extends ConnectOptions {
  fleet: string
  /** One that is open already, instead of `host`. */
  connection?: DockerConnection
}

/** @throws FleetError `engine_unreachable`, `engine_too_old`, `config_invalid` */
export async function openDockerProvisioner(options: DockerProvisionerOptions): Promise<Provisioner> {
  const { fleet } = options
  const connection = options.connection ?? (await connectDocker(options))
  return {
    ...dockerImages(connection),
    about: () => about(connection),
    ensureNetwork: (name, how) => ensureNetwork(connection, fleet, name, how?.internal ?? false),
    removeNetworks: () => removeNetworks(connection, fleet),
    ensureVolume: (name) => ensureVolume(connection, fleet, name),
    removeVolumes: () => removeVolumes(connection, fleet),
    fillVolumes: (fills, image) => fillVolumes(connection, fleet, fills, image),
    readVolume: (volume, names, image) => readVolume(connection, fleet, volume, names, image),
  }
}

async function about({ address, version, apiVersion, arch, docker, ask }: DockerConnection): Promise<EngineFacts> {
  const info = await ask('ask what machine it has', () => docker.info())
  return {
    address: describeAddress(address),
    version,
    apiVersion,
    arch,
    cpus: info.NCPU as number,
    memoryBytes: info.MemTotal as number,
  }
}

async function ensureNetwork(
  connection: DockerConnection,
  fleet: string,
  name: string,
  internal: boolean,
): Promise<void> {
  const full = networkName(fleet, name)
  const there = await networksNamed(connection, full)
  if (there.some((network) => network.Labels?.[LABELS.fleet] !== fleet)) throw notOurs('network', full, fleet)
  if (there.length === 0) await createNetwork(connection, fleet, full, internal)
  // Docker gives two who ask at the same moment a network each, of one name: the older stays.
  const [, ...surplus] = await networksNamed(connection, full)
  for (const network of surplus) await removeNetwork(connection, network)
}

async function createNetwork({ docker, ask }: DockerConnection, fleet: string, full: string, internal: boolean) {
  await ask(`make the network ${full}`, async () => {
    try {
      await docker.createNetwork({
        Name: full,
        Driver: 'bridge',
        CheckDuplicate: true,
        Internal: internal,
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

async function removeNetworks(connection: DockerConnection, fleet: string): Promise<void> {
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
