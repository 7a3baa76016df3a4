/**
 * What a fleet's units stand on: networks, volumes and images of one Docker daemon. Networks and volumes carry the
 * fleet's label, and nothing without it is touched. Every call may be repeated.
 */
export interface Provisioner extends ImageStore {
  /** What daemon this is. */
  about(): Promise<EngineFacts>
  /**
   * `name` without the fleet's prefix, as in UnitSpec. One that leads elsewhere is made anew.
   * @throws FleetError `fleet_conflict` when it leads elsewhere and has containers that run
   */
  ensureNetwork(name: string, reach: NetworkReach): Promise<void>
  /** All of the fleet's networks. Its containers must be gone. */
  removeNetworks(): Promise<void>
  /** `name` in full, as in UnitSpec's mounts. */
  ensureVolume(name: string): Promise<void>
  /** All of the fleet's volumes, with what is in them. Its containers must be gone. */
  removeVolumes(): Promise<void>
  /**
   * Makes the volumes and writes the files into them, by a root container that lives for this errand only and reads from
   * its stdin: what is written is in no image, no environment, no argument and no log.
   * @param image has `node`; needs no shell
   */
  fillVolumes(fills: readonly VolumeFill[], image: string): Promise<void>
  /** The files of a volume that are there, by name. @throws FleetError `not_found` when there is no such volume */
  readVolume(volume: string, names: readonly string[], image: string): Promise<Map<string, Buffer>>
}

/**
 * Where a network leads, beside from member to member. `closed`: nowhere, not even to the daemon's machine. `published`:
 * ports of its members can be published on 127.0.0.1, and members reach the daemon's machine itself, and nothing beyond.
 * `open`: wherever that machine reaches.
 */
export type NetworkReach = 'closed' | 'published' | 'open'

export interface ImageStore {
  hasImage(ref: string): Promise<boolean>
  /** @throws FleetError `image_unavailable` when the registry does not give it */
  pull(ref: string, onLine: (line: string) => void): Promise<void>
  /** @throws FleetError `image_unavailable` with the builder's own words when it fails */
  buildImage(build: ImageBuild, onLine: (line: string) => void): Promise<void>
  /** Removes old images that arbdeck built and no container uses. @returns the tags removed */
  pruneImages(old: OldImages): Promise<string[]>
}

export interface EngineFacts {
  address: string
  version: string
  apiVersion: string
  /** As npm's packages say it: `amd64`, `arm64`. */
  arch: string
  cpus: number
  memoryBytes: number
}

export interface VolumeFill {
  volume: string
  files: readonly VolumeFile[]
  /** Mode of the volume's folder itself; undefined: it stays as it is. */
  mode?: number
}

export interface VolumeFile {
  /** A plain name, no folders. */
  name: string
  content: Buffer
  mode: number
  uid: number
  gid: number
}

export interface ImageBuild {
  tag: string
  /** What the builder sees; the Dockerfile is one of them. */
  files: readonly ContextFile[]
  /** Name of the Dockerfile in `files`. */
  dockerfile: string
  buildArgs: Readonly<Record<string, string>>
  /** Which of arbdeck's images it is; a label, by which old ones are found. */
  kind: string
}

/** Images of another checkout's fleets look the same: spare what is young, and what is named. */
export interface OldImages {
  /** As `ImageBuild.kind`. */
  kinds: readonly string[]
  olderThanMs: number
  /** Tags to spare at any age. */
  keep: readonly string[]
}

/** A file of a build context: its bytes, or where they are. */
export type ContextFile = { name: string; mode: number } & ({ content: Buffer } | { path: string })
