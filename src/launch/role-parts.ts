import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type RoleSecrets, roleSecretsVolume } from '../fleet/role-volumes.ts'
import type { Provisioner } from '../ports/engine/provision.ts'
import { FleetError } from '../protocol/errors.ts'
import { type FleetSpec, type RoleName, roleNames, roleSpec } from '../protocol/fleet.ts'

const SECRET_BYTES = 1024 * 1024

/**
 * The files that roles name in `secrets`.
 * @param folder of --secrets-dir; undefined: none was given, and none is read
 * @throws FleetError `config_invalid` naming every role and file that is missing
 */
export function readRoleSecrets(spec: FleetSpec, folder: string | undefined): RoleSecrets {
  if (folder === undefined) return new Map()
  const faults: string[] = []
  const read = (role: RoleName, name: string): Buffer => {
    try {
      const content = readFileSync(path.join(folder, name))
      if (content.length > SECRET_BYTES) faults.push(`the secret ${name} of ${role} is longer than 1 MiB`)
      return content
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      const why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`
      faults.push(`the secret ${name} of ${role} ${why}`)
      return Buffer.alloc(0)
    }
  }
  const found = new Map(
    withSecrets(spec).map((role) => [
      role,
      new Map(roleSpec(spec, role).secrets.map((name) => [name, read(role, name)] as const)),
    ]),
  )
  if (faults.length === 0) return found
  throw new FleetError('config_invalid', `in ${folder}, ${faults.join('; ')}`, {
    remedy: 'Put each secret into a file of that name, or take it out of the role in the manifest.',
  })
}

/**
 * Without --secrets-dir a fleet keeps the secrets that it has; one that lacks any is refused.
 * @throws FleetError `config_invalid` naming every role and file
 */
export async function refuseMissingSecrets(
  { provisioner, fleet }: { provisioner: Provisioner; fleet: string },
  spec: FleetSpec,
  given: RoleSecrets,
  image: string,
): Promise<void> {
  const missing: string[] = []
  for (const role of withSecrets(spec)) {
    if (given.has(role)) continue
    const { secrets } = roleSpec(spec, role)
    const there = await provisioner.readVolume(roleSecretsVolume(fleet, role), secrets, image).catch((thrown) => {
      if (thrown instanceof FleetError && thrown.code === 'not_found') return new Map<string, Buffer>()
      throw thrown
    })
    missing.push(...secrets.filter((name) => !there.has(name)).map((name) => `${name} of ${role}`))
  }
  if (missing.length === 0) return
  throw new FleetError('config_invalid', `roles want secrets that this fleet has not: ${missing.join(', ')}`, {
    remedy: 'Put each into a file of that name, and name their folder with --secrets-dir.',
  })
}

const withSecrets = (spec: FleetSpec): RoleName[] =>
  roleNames(spec).filter((role) => roleSpec(spec, role).secrets.length > 0)

/** The images that roles run, unless no profile has agents of theirs. @throws FleetError `image_unavailable` */
export async function pullRoleImages(
  provisioner: Provisioner,
  spec: FleetSpec,
  onLine: (line: string) => void,
): Promise<void> {
  for (const { image, counts } of Object.values(spec.roles)) {
    if (!image || Object.values(counts).every((count) => count === 0)) continue
    if (!(await provisioner.hasImage(image.ref))) await provisioner.pull(image.ref, onLine)
  }
}

/** Roles of ours with parts that only a container has: the embedded engine leaves them out, and says so. */
export function partsLeftOut(spec: FleetSpec): string[] {
  return roleNames(spec).flatMap((role) => {
    const { image, environment, secrets, volumes } = roleSpec(spec, role)
    const named = { environment: Object.keys(environment), secrets, volumes }
    const left = Object.entries(named).flatMap(([name, list]) => (list.length > 0 ? [name] : []))
    if (image || left.length === 0) return []
    return [`${role} gets no ${left.join(', no ')}: they are for containers, and this fleet has none`]
  })
}
