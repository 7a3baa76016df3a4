import { z } from 'zod'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { AddressSchema, HashSchema, HexSchema, RawSchema, Timestamp, WeiSchema } from '../../../src/protocol/schemas.ts'
import { ExecutionSchema } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'

/** A transaction that was signed for an intent: all of one intent have its nonce, so one of them is mined at most. */
const SignedSchema = z.object({
  /** `cancel`: nothing, to oneself; it takes the nonce from the trade. */
  kind: z.enum(['trade', 'cancel']),
  hash: HashSchema,
  raw: HexSchema,
  maxFeePerGasWei: WeiSchema,
  maxPriorityFeePerGasWei: WeiSchema,
  /** The newest block when it was signed. */
  block: z.int(),
  /** Why it was not taken, if that was said. */
  refused: z.string().nullable(),
})
export type SignedAs = z.output<typeof SignedSchema>

/** What an execution is judged by. */
const TermsSchema = z.object({
  token: AddressSchema,
  contract: AddressSchema,
  predictedWei: WeiSchema,
  expectedProfitRaw: RawSchema,
  expectedProfitWei: WeiSchema,
})

/**
 * What was decided about one attempt, by whoever came first. Key `intent/OPPORTUNITY/ATTEMPT`. `intended` stands before
 * anything is signed, and every signed transaction is in `signed` before it leaves: whoever finds an intent can find out
 * what became of it.
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
  /** In the order of signing. */
  signed: z.array(SignedSchema),
  terms: TermsSchema,
  deadlineBlock: z.int(),
  /** With `done`: what the stage answered. It never changes: who counted it is told of differences by corrections. */
  execution: ExecutionSchema.nullable(),
  /** The block of `execution`, while it is on the chain. */
  blockHash: HashSchema.nullable(),
  corrected: z
    .object({
      /** From 1; 0 where the trade itself was never counted. */
      number: z.int(),
      execution: ExecutionSchema,
      /** What it replaces, until that is in the books. */
      before: ExecutionSchema.nullable(),
    })
    .nullable(),
  at: Timestamp,
})
export type Intent = z.output<typeof IntentSchema>

export interface Standing {
  intent: Intent
  version: number
}

/** Longer than any trade can be asked for again, or be short of final. */
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

/** Notes that a signed transaction was not taken, and why. */
export async function noteRefusal(
  memory: SharedMemory,
  { opportunityId, attempt }: Pick<Intent, 'opportunityId' | 'attempt'>,
  hash: Hex,
  refused: string,
): Promise<Standing | undefined> {
  for (;;) {
    const standing = await readIntent(memory, opportunityId, attempt)
    if (!standing) return undefined
    const signed = standing.intent.signed.map((each) => (each.hash === hash ? { ...each, refused } : each))
    const noted = await amend(memory, standing, { signed })
    if (noted) return noted
  }
}

export const hashesOf = ({ signed }: Pick<Intent, 'signed'>): Hex[] => signed.map(({ hash }) => hash)

/** The last transaction of an intent that was not refused: the one that may wait. */
export const liveOf = ({ signed }: Pick<Intent, 'signed'>): SignedAs | undefined =>
  signed.findLast(({ refused }) => refused === null)

/** What an intent came to, as the chain has it now; null while that is open. */
export const standsNow = ({ execution, corrected }: Pick<Intent, 'execution' | 'corrected'>) =>
  corrected?.execution ?? execution
