import { FleetError } from '../../../protocol/errors.ts'
import { parseReplicaId, type RoleName, SERVICE_NAMES, type ServiceName } from '../../../protocol/fleet.ts'
import type { UnitKind, UnitSpec } from '../engine.ts'

/** The fleet whose containers and networks carry no prefix. */
export const DEFAULT_FLEET = 'arbdeck'

export const LABELS = {
  fleet: 'arbdeck.fleet',
  spec: 'arbdeck.spec',
  role: 'arbdeck.role',
  replica: 'arbdeck.replica',
  service: 'arbdeck.service',
  /** How often the unit was started again after it failed. */
  restarts: 'arbdeck.restarts',
  /** On containers that live for one errand (filling a volume): never a unit. */
  errand: 'arbdeck.errand',
  /** What the labels that compose gives begin with. */
  compose: 'com.docker.compose.',
  /** On images that arbdeck built: which one. */
  image: 'arbdeck.image',
} as const

const prefix = (fleet: string): string => (fleet === DEFAULT_FLEET ? '' : `${fleet}-`)

/** `mcp-executor-1`, `mcp-coordinator` (the hub), `mcp-redis`; `test-mcp-redis` in the fleet `test`. */
export const containerName = (fleet: string, id: string): string => `${prefix(fleet)}mcp-${publicName(id)}`

export const networkName = (fleet: string, name: string): string => `${prefix(fleet)}${name}`

/** What the unit answers to on one of the fleet's networks, in every fleet. */
export function aliases(id: string, network: string): string[] {
  const name = publicName(id)
  return [...new Set([id, name, `mcp-${name}`, `${id}.${network}`])]
}

const publicName = (id: string): string => (id === 'hub' ? 'coordinator' : id)

export function labelsOf(fleet: string, unit: UnitSpec, restarts: number): Record<string, string> {
  const kind: Record<string, string> =
    unit.unit.kind === 'agent'
      ? { [LABELS.role]: unit.unit.role, [LABELS.replica]: String(unit.unit.replica) }
      : { [LABELS.service]: unit.unit.service }
  return { [LABELS.fleet]: fleet, [LABELS.spec]: unit.specHash, [LABELS.restarts]: String(restarts), ...kind }
}

/** Which unit a container is, from its labels; undefined when it is none (an errand, or made by a stranger). */
export function unitOfLabels(labels: Readonly<Record<string, string>>): { id: string; unit: UnitKind } | undefined {
  const role = labels[LABELS.role]
  if (role !== undefined) {
    const id = `${role}-${labels[LABELS.replica]}`
    const parsed = parseReplicaId(id)
    return parsed && { id, unit: { kind: 'agent', role: parsed.role satisfies RoleName, replica: parsed.replica } }
  }
  const service = SERVICE_NAMES.find((name) => name === labels[LABELS.service])
  return service && { id: service, unit: { kind: 'service', service: service satisfies ServiceName } }
}

export const fleetFilter = (fleet: string): { label: string[] } => ({ label: [`${LABELS.fleet}=${fleet}`] })

/** Something that has the name we need and not our label: it is never touched. */
export function notOurs(kind: 'container' | 'network' | 'volume', name: string, fleet: string): FleetError {
  return new FleetError('engine_refused', `there is a ${kind} named ${name} that is not of the fleet ${fleet}`, {
    remedy: `Remove it (docker ${kind} rm ${name}), or run this fleet under another name with --fleet.`,
  })
}
