import { z } from 'zod'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import { keys } from '../../src/protocol/keys.ts'
import { AddressSchema, HashSchema, HexSchema, Timestamp } from '../../src/protocol/schemas.ts'
import { ExecutionSchema } from '../../src/protocol/trade.ts'
import type { Hex } from '../../src/protocol/units.ts'

/**
 * What was decided about one attempt, by whoever came first. Key `intent/OPPORTUNITY/ATTEMPT`. `intended` stands before
 * anything is signed, `sent` (with the signed bytes) before they leave: so one attempt is signed once at most, and
 * whoever finds an intent can only find out what became of it.
 */
export const IntentSchema = z.object({
  opportunityId: HashSchema,
  attempt: z.int(),
  chainInstance: z.string(),
  agent: z.string(),
  state: z.enum(['refused', 'intended', 'sent', 'done']),
  /** With `refused`. */
  outcome: z.enum(['refused', 'expired']).nullable(),
  reason: z.string().nullable(),
  from: AddressSchema.nullable(),
  /** Token of the signer's lease. */
  fence: z.int().nullable(),
  nonce: z.int().nullable(),
  hash: HashSchema.nullable(),
  /** The signed transaction. */
  raw: HexSchema.nullable(),
  deadlineBlock: z.int(),
  /** With `done`. */
  execution: ExecutionSchema.nullable(),
  at: Timestamp,
})
export type Intent = z.output<typeof IntentSchema>

export interface Standing {
  intent: Intent
  version: number
}

/** Longer than any trade can be asked for again. */
const INTENT_TTL_MS = 24 * 3_600_000

const keyOf = (intent: Pick<Intent, 'opportunityId' | 'attempt'>): string =>
  keys.intent(intent.opportunityId, intent.attempt)

export async function readIntent(
  memory: SharedMemory,
  opportunityId: Hex,
  attempt: number,
): Promise<Standing | undefined> {
  const found = await readAs(memory, keyOf({ opportunityId, attempt }), IntentSchema)
  return found && { intent: found.value, version: found.version }
}

/** Decides, unless it was decided before: then gives what stands. */
export async function decideFirst(memory: SharedMemory, intent: Intent): Promise<Standing & { mine: boolean }> {
  for (;;) {
    const version = await memory.write(keyOf(intent), intent, { expect: 'absent', ttlMs: INTENT_TTL_MS })
    if (version !== undefined) return { intent, version, mine: true }
    const standing = await readIntent(memory, intent.opportunityId, intent.attempt)
    if (standing) return { ...standing, mine: false }
  }
}

/** Writes the next state of an intent; undefined when another has changed it meanwhile. */
export async function amend(
  memory: SharedMemory,
  standing: Standing,
  change: Partial<Intent>,
): Promise<Standing | undefined> {
  const intent = { ...standing.intent, ...change }
  const version = await memory.write(keyOf(intent), intent, { expect: standing.version, ttlMs: INTENT_TTL_MS })
  return version === undefined ? undefined : { intent, version }
}
