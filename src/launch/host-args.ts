import { parseArgs } from 'node:util'
import type { Profile } from '../protocol/fleet.ts'
import type { Address } from '../protocol/units.ts'

/** Runs `arbdeck host`, the process of an embedded fleet. */
export async function runHostCommand(args: string[], version: string): Promise<number> {
  const { runHost } = await import('./host-process.ts')
  const { values } = parseArgs({
    args,
    options: {
      fleet: { type: 'string', default: 'arbdeck' },
      'hub-port': { type: 'string', default: '0' },
      manifest: { type: 'string', default: 'config/fleet.yaml' },
      seed: { type: 'string', default: '1' },
      profile: { type: 'string' },
      'chain-id': { type: 'string' },
      'chains-dir': { type: 'string', default: 'config/chains' },
      'executor-address': { type: 'string' },
      live: { type: 'boolean', default: false },
      attached: { type: 'boolean', default: false },
    },
  })
  return runHost({
    fleet: values.fleet,
    profile: values.profile as Profile | undefined,
    chainId: values['chain-id'] === undefined ? undefined : Number(values['chain-id']),
    chainsDir: values['chains-dir'],
    executor: values['executor-address'] as Address | undefined,
    live: values.live,
    hubPort: Number(values['hub-port']),
    manifest: values.manifest,
    seed: values.seed,
    attached: values.attached,
    version,
  })
}
