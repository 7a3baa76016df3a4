import { expectCompose } from '../fleet/adoption.ts'
import type { Images } from '../fleet/images.ts'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { readAs } from '../ports/memory/typed.ts'
import { FleetError } from '../protocol/errors.ts'
import { FleetSpecSchema, type Profile, ProfileSchema, type Wanted, WantedSchema } from '../protocol/fleet.ts'
import { parse } from '../protocol/json.ts'
import { keys } from '../protocol/keys.ts'
import { now } from '../protocol/schemas.ts'
import { SANDBOX_CHAIN_ID } from './chain-choice.ts'
import { wantedAfter } from './wanted.ts'

/** What the process is told of by its environment. */
export interface ComposedParts {
  memory: SharedMemory
  fleet: string
  setting(name: string): string
}

/**
 * Writes what a fleet of compose files should be, as the files that this process comes from say it. Counts of before stay,
 * unless .env names another profile than before. From now on the reconciler waits for compose to make what is missing.
 *
 * @throws FleetError `config_invalid`, `malformed`
 */
export async function writeComposedWanted({ memory, fleet, setting }: ComposedParts): Promise<Wanted> {
  const profile = profileOf(setting('ARBDECK_PROFILE'))
  const spec = parse(FleetSpecSchema, setting('ARBDECK_MANIFEST'), 'the manifest in the compose file')
  const names: (keyof Images)[] = ['base', 'agent', 'sandbox', 'redis', 'rabbitmq', 'postgres']
  const images = Object.fromEntries(names.map((name) => [name, setting(`ARBDECK_IMAGE_${name.toUpperCase()}`)]))
  const before = (await readAs(memory, keys.wanted, WantedSchema))?.value
  const wanted = wantedAfter(before, {
    fleet,
    engine: 'docker',
    profile: before?.profile === profile ? undefined : profile,
    spec,
    chain: 'sandbox',
    chainId: SANDBOX_CHAIN_ID,
    hubPort: Number(setting('ARBDECK_HUB_PORT')),
    usualHubPort: 0,
    seed: setting('ARBDECK_SEED'),
    chainIdGiven: false,
    running: false,
    images,
  })
  refuseOtherHash(wanted.specHash, setting('ARBDECK_SPEC'))
  await expectCompose(memory)
  await memory.write(keys.wanted, { ...wanted, writtenBy: 'compose' })
  await memory.write(keys.halt, { set: false, reason: null, by: 'compose', at: now() }, { expect: 'absent' })
  return wanted
}

function profileOf(text: string): Profile {
  const profile = ProfileSchema.safeParse(text)
  if (profile.success) return profile.data
  throw new FleetError('config_invalid', `COMPOSE_PROFILES is ${text}`, {
    remedy: `Set it to one of ${ProfileSchema.options.join(', ')} in compose/.env.`,
  })
}

/** The containers carry the hash that the generator worked out: another one here would have the controller replace them all. */
function refuseOtherHash(here: string, written: string): void {
  if (here === written) return
  throw new FleetError(
    'config_invalid',
    `the compose files are of another manifest (${written}) than they carry (${here})`,
    {
      remedy: 'Write them anew with arbdeck generate of the version that the images are of.',
    },
  )
}
