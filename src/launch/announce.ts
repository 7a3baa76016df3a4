import type { SharedMemory } from '../ports/memory/memory.ts'
import type { FleetEvent } from '../protocol/event.ts'
import type { ServiceName } from '../protocol/fleet.ts'
import { streams } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'

/** Says in the events that a service has come up, and where. */
export async function announce(memory: SharedMemory, name: ServiceName, where?: string): Promise<void> {
  const event: FleetEvent = {
    type: 'service',
    at: now(),
    name,
    state: 'healthy',
    ...(where === undefined ? {} : { note: where }),
  }
  await memory.stream(streams.events).append(event)
}
