import { imageChoice } from '../fleet/images.ts'
import { withoutKeys } from '../fleet/secrets.ts'
import type { ObservedUnit } from '../ports/engine/engine.ts'
import type { FleetEvent } from '../protocol/event.ts'
import { now } from '../protocol/schemas.ts'
import type { DockerParts } from './docker-parts.ts'

export const INFRASTRUCTURE = ['redis', 'rabbitmq', 'postgres']
const STOP_GRACE_MS = 10_000

export type Say = (event: FleetEvent) => void

/** The controller first, so that nobody brings back what goes; agents before the node, which an executor may still wait for. */
export async function endFleet(
  parts: DockerParts,
  how: { remove: boolean; volumes: boolean },
  say: Say,
): Promise<void> {
  const { engine, provisioner, state } = parts
  const stop = async (units: readonly ObservedUnit[], graceMs: number) => {
    await Promise.all(units.map((unit) => engine.stop(unit.id, { graceMs, remove: how.remove })))
    for (const unit of units)
      say({ type: 'service', at: now(), name: unit.id, state: how.remove ? 'removed' : 'stopped' })
  }
  const infrastructure = (unit: ObservedUnit) => INFRASTRUCTURE.includes(unit.id)
  await stop(
    (await engine.list()).filter((unit) => unit.id === 'controller'),
    STOP_GRACE_MS,
  )
  // Only now: until it was gone the controller may have started another.
  const units = await engine.list()
  await stop(
    units.filter((unit) => unit.unit.kind === 'agent'),
    STOP_GRACE_MS,
  )
  await stop(
    units.filter((unit) => unit.unit.kind === 'service' && unit.id !== 'controller' && !infrastructure(unit)),
    STOP_GRACE_MS,
  )
  await stop(units.filter(infrastructure), how.volumes ? 0 : STOP_GRACE_MS)
  if (how.remove) await provisioner.removeNetworks()
  if (how.remove && !how.volumes && (state.fleetFile()?.chain ?? 'sandbox') !== 'sandbox')
    await provisioner.fillVolumes([withoutKeys(parts.fleet)], imageChoice(process.env).base)
  if (how.volumes) {
    await provisioner.removeVolumes()
    state.remove()
  }
}
