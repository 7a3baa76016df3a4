import { specHash } from '../fleet/spec.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { FleetError } from '../protocol/errors.ts'
import {
  type Counts,
  type EngineName,
  type FleetSpec,
  type Profile,
  ROLE_NAMES,
  type Wanted,
  WantedSchema,
} from '../protocol/fleet.ts'
import { keys } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'

export interface WantedInputs {
  fleet: string
  engine: EngineName
  /** Undefined: as before, or the engine's usual one. */
  profile: Profile | undefined
  spec: FleetSpec
  chain: string
  chainId: number
  /** As given; undefined: as a fleet that runs has it, else `usualHubPort`. */
  hubPort: number | undefined
  usualHubPort: number
  /** As given; undefined: as a fleet that runs has it, else 1. */
  seed: string | undefined
  /** Whether --chain-id was given: then another chain than before is meant. */
  chainIdGiven: boolean
  /** Whether transactions are really sent on a chain that is not the sandbox; undefined: as a fleet that runs has it. */
  live?: boolean
  /** Whether the fleet runs already. */
  running: boolean
  images: Record<string, string>
}

/** Writes what the fleet should be. Counts of before stay unless a profile is given; halt is written once, as not set. */
export async function writeWanted(memory: SharedMemory, inputs: WantedInputs): Promise<Wanted> {
  const before = (await readAs(memory, keys.wanted, WantedSchema))?.value
  const profile = inputs.profile ?? before?.profile ?? (inputs.engine === 'embedded' ? 'mini' : 'standard')
  const counts = before && inputs.profile === undefined ? before.counts : countsOf(inputs.spec, profile)
  refuseOtherChain(inputs, before)
  const kept = inputs.running ? before : undefined
  const { fleet, engine, spec, chain, chainId, images } = inputs
  const wanted: Wanted = {
    ...{ fleet, engine, spec, chain, chainId, images },
    hubPort: inputs.hubPort ?? kept?.hubPort ?? inputs.usualHubPort,
    seed: inputs.seed ?? kept?.seed ?? '1',
    profile,
    counts,
    specHash: specHash(inputs.spec),
    live: inputs.chain === 'sandbox' || (inputs.live ?? kept?.live ?? false),
    writtenBy: 'up',
    at: now(),
  }
  await memory.write(keys.wanted, wanted)
  await memory.write(keys.halt, { set: false, reason: null, by: 'up', at: now() }, { expect: 'absent' })
  return wanted
}

/** The chain id is recorded when a fleet is made. @throws FleetError `chain_mismatch` */
function refuseOtherChain({ fleet, chain, chainId, chainIdGiven }: WantedInputs, before: Wanted | undefined): void {
  if (!before || before.chain === 'sandbox' || chain === 'sandbox' || chainIdGiven || before.chainId === chainId) return
  throw new FleetError(
    'chain_mismatch',
    `the node at ${chain} is on chain ${chainId}; the fleet ${fleet} was made for chain ${before.chainId}`,
    {
      remedy: `Name another node, say --chain-id ${chainId} if that chain is meant, or begin anew after arbdeck down --fleet ${fleet} --volumes.`,
    },
  )
}

export function countsOf(spec: FleetSpec, profile: Profile): Counts {
  return Object.fromEntries(ROLE_NAMES.map((role) => [role, spec.roles[role].counts[profile]])) as Counts
}
