import type { UnitSpec } from '../ports/engine/engine.ts'
import { FleetError } from '../protocol/errors.ts'
import {
  type Counts,
  type FleetSpec,
  type RoleName,
  replicaId,
  roleNames,
  roleSpec,
  type Wanted,
} from '../protocol/fleet.ts'
import { NETWORK } from './networks.ts'
import { roleMounts } from './role-volumes.ts'
import { MIB } from './server-units.ts'

/**
 * The unit of a role that is any image: hardened as our own are, on the fleet's own network alone, with what the manifest
 * says and nothing of ours: no secret, no address, no token.
 *
 * @param replica from 1
 */
export function imageAgentUnit(role: RoleName, replica: number, wanted: Wanted): Omit<UnitSpec, 'specHash'> {
  const spec = roleSpec(wanted.spec, role)
  const { image } = spec
  if (!image) throw new FleetError('internal', `the role ${role} runs no image of its own`, { remedy: 'Report it.' })
  return {
    id: replicaId(role, replica),
    unit: { kind: 'agent', role, replica },
    image: image.ref,
    command: image.command,
    env: spec.environment,
    user: image.user,
    mounts: roleMounts(wanted.fleet, role, spec),
    ports: [],
    networks: [NETWORK],
    memoryBytes: spec.memoryMb * MIB,
    cpus: spec.cpus,
    pids: spec.pids,
    graceMs: spec.graceSeconds * 1_000,
    readOnlyRoot: true,
    tmpfs: ['/tmp'],
  }
}

/** Images need containers. @throws FleetError `unsupported` when agents of one are wanted of the embedded engine */
export function refuseImages(spec: Pick<FleetSpec, 'roles'>, counts: Counts): void {
  const images = roleNames(spec).filter((role) => roleSpec(spec, role).image && (counts[role] ?? 0) > 0)
  if (images.length === 0) return
  const one = images.length === 1
  throw new FleetError(
    'unsupported',
    `${one ? `the role ${images[0]} runs an image` : `the roles ${images.join(', ')} run images`}, and the embedded engine runs none`,
    { remedy: `Use --engine docker, or have no agents of ${one ? 'it' : 'them'} here: counts of 0 in the manifest.` },
  )
}
