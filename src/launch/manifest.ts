import { ROLES } from '../../agent/roles/table.ts'
import { readSpec } from '../fleet/spec.ts'
import type { FleetSpec, RoleName } from '../protocol/fleet.ts'

/** The roles that we have code for; loads none of it. */
export const OWN_ROLES: readonly RoleName[] = Object.keys(ROLES)

/** A fleet manifest, checked. @throws FleetError `config_invalid` listing every fault at once */
export const readManifest = (file: string): FleetSpec => readSpec(file, OWN_ROLES)
