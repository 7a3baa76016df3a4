import type { FleetClient } from '../../../src/client/client.ts'
import { attachDocker } from '../../../src/launch/docker-launch.ts'

/** A client of a fleet that runs on Docker. */
export function attach(fleet: string): Promise<FleetClient> {
  const none = undefined
  return attachDocker({
    ...{ engine: 'docker', fleet, live: false, debug: false, json: true },
    ...{ profile: none, chain: none, chainId: none, hubPort: none, keyFile: none, executorAddress: none },
    ...{ submitUrl: none, chainsDir: none, manifest: none, seed: none },
  })
}
