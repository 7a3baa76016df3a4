import { refuseImages } from '../fleet/image-role.ts'
import { specHash } from '../fleet/spec.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { FleetError } from '../protocol/errors.ts'
import {
  type Counts,
  type EngineName,
  type FleetSpec,
  type Profile,
  profileCounts,
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

/** Writes what the fleet should be; halt is written once, as not set. @throws FleetError `chain_mismatch` */
export async function writeWanted(memory: SharedMemory, inputs: WantedInputs): Promise<Wanted> {
  const before = (await readAs(memory, keys.wanted, WantedSchema))?.value
  const wanted = wantedAfter(before, inputs)
  await memory.write(keys.wanted, wanted)
  await memory.write(keys.halt, { set: false, reason: null, by: 'up', at: now() }, { expect: 'absent' })
  return wanted
}

/** What `up` makes of what was wanted before: counts of before stay unless a profile is given. @throws FleetError `chain_mismatch` */
export function wantedAfter(before: Wanted | undefined, inputs: WantedInputs): Wanted {
  const profile = inputs.profile ?? before?.profile ?? (inputs.engine === 'embedded' ? 'mini' : 'standard')
  const ofProfile = profileCounts(inputs.spec, profile)
  const counts = before && inputs.profile === undefined ? keptCounts(inputs.spec, before.counts, ofProfile) : ofProfile
  refuseOtherChain(inputs, before)
  if (inputs.engine === 'embedded') refuseImages(inputs.spec, counts)
  const kept = inputs.running ? before : undefined
  const { fleet, engine, spec, chain, chainId, images } = inputs
  return {
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

/** Counts of before in a manifest that may be another by now: within its bounds, and new roles as the profile has them. */
function keptCounts(spec: FleetSpec, before: Counts, ofProfile: Counts): Counts {
  return Object.fromEntries(
    Object.entries(spec.roles).map(([role, { min, max }]) => {
      const count = before[role]
      return [role, count === undefined ? (ofProfile[role] ?? 0) : Math.min(max, Math.max(min, count))]
    }),
  )
}
