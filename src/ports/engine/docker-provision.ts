import { describeAddress } from './docker/address.ts'
import { type ConnectOptions, connectDocker, type DockerConnection } from './docker/connect.ts'
import { dockerImages } from './docker/images.ts'
import { ensureNetwork, removeNetworks } from './docker/networks.ts'
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
    ensureNetwork: (name, reach) => ensureNetwork(connection, fleet, name, reach),
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
