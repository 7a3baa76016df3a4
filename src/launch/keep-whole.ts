import { cpus } from 'node:os'
import { reconcileOnce, startsAtOnce } from '../fleet/reconcile.ts'
import { fleetUnits } from '../fleet/units.ts'
import type { Engine } from '../ports/engine/engine.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { WantedSchema } from '../protocol/fleet.ts'
import { keys, leases } from '../protocol/keys.ts'

const CONTROLLER = 'controller'
const LEASE_MS = 60_000

/**
 * Has a fleet on Docker made whole when nobody keeps it: nothing where a controller does; one that does not run is started and
 * does it; while one runs and says nothing, this process makes one pass itself, when nobody else holds the lease.
 *
 * @throws FleetError `engine_refused` naming every step that failed
 */
export async function keepDockerWhole(engine: Engine, memory: SharedMemory): Promise<void> {
  const units = await engine.list()
  const runs = units.some(({ id, state }) => id === CONTROLLER && state === 'running')
  // The heartbeat of one that was killed lives on for a moment: only the engine knows that it is gone.
  if (runs && (await memory.read(keys.service(CONTROLLER)))) return
  if (!runs) return startController(engine, memory)
  const lease = await memory.lease(leases.reconciler, `cli-${process.pid}`, LEASE_MS)
  if (!lease) return
  try {
    const goOn = () => lease.renew(LEASE_MS)
    const reconciler = { memory, engine, owner: 'cli', log: () => {}, unitsOf: fleetUnits, keeps: () => true }
    await reconcileOnce({ ...reconciler, concurrency: startsAtOnce(cpus().length) }, goOn)
  } finally {
    await lease.release()
  }
}

/** Without the lease, which a dead controller may still hold for a moment: two who start it start one. */
async function startController(engine: Engine, memory: SharedMemory): Promise<void> {
  const wanted = await readAs(memory, keys.wanted, WantedSchema)
  const unit = wanted && fleetUnits(wanted.value).find(({ id }) => id === CONTROLLER)
  if (unit) await engine.start(unit)
}
