import { rmSync } from 'node:fs'
import type { FleetOptions } from '../client/launcher.ts'
import type { StateFolder } from '../client/state.ts'
import { profileOf } from '../fleet/chain-profile.ts'
import { FleetError } from '../protocol/errors.ts'
import type { FleetEvent } from '../protocol/event.ts'
import type { FleetSpec } from '../protocol/fleet.ts'
import { now } from '../protocol/schemas.ts'
import type { Address, Hex } from '../protocol/units.ts'
import { type ChainChoice, urlOf } from './chain-choice.ts'
import { KEYS_FILE, readKeyFile } from './key-file.ts'
import { approveLive } from './live.ts'

/** In the state folder of an embedded fleet, mode 0600, while the fleet lives: where transactions go, when not to the node. */
export const SUBMIT_FILE = 'submit-url'

/** What a fleet signs with and sends through. */
export interface Purse {
  /** Undefined: nothing is ever sent. */
  keys: Hex[] | undefined
  /** Undefined: the node. */
  submitUrl: string | undefined
}

/** What an embedded fleet sends with lies on the disk for as long as the fleet lives. */
export function dropPurse(state: StateFolder): void {
  for (const name of [KEYS_FILE, SUBMIT_FILE]) rmSync(state.file(name), { force: true })
}

interface Pocket {
  options: FleetOptions
  chain: ChainChoice
  spec: FleetSpec
  chainsDir: string
}

/**
 * What a fleet is handed to send with, after all that --live asks for was found to hold and what it risks was said.
 * @throws FleetError what is missing
 */
export async function openPurse(pocket: Pocket, say: (event: FleetEvent) => void): Promise<Purse> {
  const { options, chain } = pocket
  const submitUrl = options.submitUrl === undefined ? undefined : urlOf(options.submitUrl)
  if (options.keyFile === undefined || chain.url === null) return { keys: undefined, submitUrl }
  const { keys, addresses, exposed } = readKeyFile(options.keyFile)
  const warn = (message: string) => say({ type: 'note', at: now(), level: 'warn', from: 'up', message })
  if (exposed) warn(`others on this machine can read ${options.keyFile}: chmod 600 it`)
  for (const line of options.live ? await riskOfLive(pocket, addresses) : []) warn(line)
  return { keys, submitUrl }
}

async function riskOfLive({ options, chain, spec, chainsDir }: Pocket, keys: readonly Address[]): Promise<string[]> {
  const profile = profileOf(chain.chainId, chainsDir)
  const executor = options.executorAddress
  if (executor === undefined)
    throw new FleetError('usage', '--live needs --executor-address', { remedy: 'Name the deployed contract.' })
  if (profile.submit === 'private' && options.submitUrl === undefined)
    throw new FleetError(
      'config_invalid',
      `the profile ${profile.name} says submit: private, and no private RPC is given`,
      {
        remedy: 'Name one with --submit-url URL or @FILE, or set submit: public in the profile.',
      },
    )
  return approveLive({ chain, profile, limits: spec.limits, executor, keys })
}
