import type { FleetClient } from '../client/client.ts'
import { isWhole } from '../protocol/snapshot.ts'

const LOOK_MS = 250

/** Resolves when exactly what is wanted runs and is healthy, or when the signal aborts. Throws what the client throws for good. */
export async function whole(client: FleetClient, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (isWhole(await client.snapshot())) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
