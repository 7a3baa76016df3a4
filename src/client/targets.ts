import type { UnitSpec } from '../ports/engine/engine.ts'
import { FleetError } from '../protocol/errors.ts'
import { parseReplicaId, SERVICE_NAMES } from '../protocol/fleet.ts'
import { nearest } from '../protocol/nearest.ts'

/** A unit by its id, an agent by its role; `mcp-coordinator` is the hub, `coordinator` the role. */
export function isTarget(unit: Pick<UnitSpec, 'id' | 'unit'>, target: string | null): boolean {
  if (target === null) return unit.unit.kind === 'agent'
  const name = target.replace(/^mcp-coordinator$/, 'hub').replace(/^mcp-/, '')
  return unit.id === name || (unit.unit.kind === 'agent' && unit.unit.role === name)
}

export function unknownTarget(target: string | null, ids: readonly string[]): FleetError {
  const roles = ids.flatMap((id) => parseReplicaId(id)?.role ?? [])
  const guess = target === null ? undefined : nearest(target, [...ids, ...roles, ...SERVICE_NAMES])
  return new FleetError('usage', `nothing in this fleet is named ${target ?? 'an agent'}`, {
    remedy: guess
      ? `Did you mean ${guess}? arbdeck ps lists the agents, arbdeck status the services.`
      : 'arbdeck ps lists the agents, arbdeck status the services.',
  })
}
