import type { UnitSpec } from '../ports/engine/engine.ts'
import type { VolumeFill } from '../ports/engine/provision.ts'
import type { FleetSpec, RoleName } from '../protocol/fleet.ts'
import type { RoleSpec } from '../protocol/role-spec.ts'

/** The project that all agents share, and where each has it. An image that is not ours knows no locks: it only reads. */
const PROJECT = { name: 'project', target: '/project' }
/** Where a role finds the files that its `secrets` name. */
const ROLE_SECRETS = '/run/secrets'
const OUR_USER = '10001:10001'
/** Whoever has the folder may write, and remove what is its own: roles that share it may run as different users. */
const SHARED = 0o1777

export const roleSecretsVolume = (fleet: string, role: RoleName): string => `${fleet}-secrets-role-${role}`
export const roleVolume = (fleet: string, name: string): string => `${fleet}-${name}`

/** The shared project, and what the manifest puts into the containers of a role. */
export function roleMounts(fleet: string, role: RoleName, spec: RoleSpec): UnitSpec['mounts'] {
  const project = { ...PROJECT, readOnly: spec.image !== undefined }
  const volumes = [project, ...spec.volumes].map(({ name, target, readOnly }) => ({
    volume: roleVolume(fleet, name),
    target,
    readOnly,
  }))
  if (spec.secrets.length === 0) return volumes
  return [...volumes, { volume: roleSecretsVolume(fleet, role), target: ROLE_SECRETS, readOnly: true }]
}

/** Contents of the files of --secrets-dir, by role and name. */
export type RoleSecrets = ReadonlyMap<RoleName, ReadonlyMap<string, Buffer>>

/**
 * The volumes that a manifest's roles want: those that they share, for all of them to write, and for each role its secrets.
 * @param secrets of roles that are not in it, what was there stays
 */
export function roleFills(fleet: string, spec: Pick<FleetSpec, 'roles'>, secrets: RoleSecrets): VolumeFill[] {
  const named = Object.values(spec.roles).flatMap(({ volumes }) => volumes.map(({ name }) => name))
  const names = new Set([PROJECT.name, ...named])
  const shared = [...names].map((name) => ({ volume: roleVolume(fleet, name), files: [], mode: SHARED }))
  const own = [...secrets].map(([role, files]) => {
    const [uid = 0, gid = uid] = (spec.roles[role]?.image?.user ?? OUR_USER).split(':').map(Number)
    return {
      volume: roleSecretsVolume(fleet, role),
      files: [...files].map(([name, content]) => ({ name, content, mode: 0o400, uid, gid })),
    }
  })
  return [...shared, ...own]
}
