import { createHash } from 'node:crypto'
import { type FleetSpec, FleetSpecSchema, type RoleName } from '../protocol/fleet.ts'
import { stringify } from '../protocol/json.ts'
import { amountFaults, assetFaults } from './amount-faults.ts'
import { roleFaults } from './role-faults.ts'
import { type FileKind, parseYaml, readYaml } from './yaml.ts'

const manifestKind = (ownRoles: readonly RoleName[]): FileKind<typeof FleetSpecSchema> => ({
  schema: FleetSpecSchema,
  noun: 'the manifest',
  missing: 'Pass --manifest with a file that exists, or leave it out for config/fleet.yaml.',
  remedy: 'Correct the lines named; config/fleet.yaml in the repository is a working example.',
  more: (manifest, lineOf) => [
    ...roleFaults(manifest, lineOf, ownRoles),
    ...amountFaults(manifest, lineOf),
    ...assetFaults(manifest, lineOf),
  ],
})

/**
 * Reads and checks a fleet manifest.
 * @param ownRoles the roles that we have code for (src/launch/manifest.ts knows them): any other needs an image
 * @throws FleetError `config_invalid` listing every fault at once, each with its line and its remedy
 */
export const readSpec = (file: string, ownRoles: readonly RoleName[]): FleetSpec =>
  readYaml(file, manifestKind(ownRoles))

/** `readSpec` of text; `file` is only named in faults. */
export const parseSpec = (text: string, file: string, ownRoles: readonly RoleName[]): FleetSpec =>
  parseYaml(text, file, manifestKind(ownRoles))

/** What labels the containers made from this spec; 12 hex digits. */
export function specHash(spec: FleetSpec): string {
  return createHash('sha256').update(stringify(spec)).digest('hex').slice(0, 12)
}
