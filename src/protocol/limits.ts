import { z } from 'zod'
import { BigIntSchema, RawSchema, WeiSchema } from './schemas.ts'
import { wei } from './units.ts'

const exposure = {
  maxInputRawPerTrade: RawSchema.describe('Largest loan of one trade, raw units of the token that is lent.'),
  maxInputRawPerHour: RawSchema.describe(
    'Sum of the loans of one hour and one executor, raw units of the token that is lent.',
  ),
}
/** Hard limits of an executor, enforced where the key is. */
export const LimitsSchema = z.strictObject({
  setForChain: z
    .int()
    .min(1)
    .optional()
    .describe('The chain that these limits were set for, on purpose, by its id: --live refuses on any other.'),
  /** Of the wrapped native token. */
  ...exposure,
  tokens: z
    .record(z.string(), z.strictObject(exposure))
    .default({})
    .describe(
      'The same for other tokens that are lent, by address or symbol; a token that is not named here is not borrowed.',
    ),
  maxGasPerTrade: BigIntSchema,
  maxFeePerGasWei: WeiSchema,
  maxLossWeiPerDay: WeiSchema.default(wei(10n ** 17n)).describe(
    'Gas lost by reverts, less what was earned, in a day (UTC) and by one executor: at this much it stops until the next.',
  ),
  maxFailuresInARow: z
    .int()
    .min(1)
    .default(20)
    .describe("So many trades of one executor that reverted, one after another, stop it until an operator's `resume`."),
  maxHeadAgeSeconds: z
    .int()
    .min(1)
    .default(60)
    .describe('The head that a decision rests on may be so old, and lag the newest by so much.'),
  maxHeadLagBlocks: z.int().min(0).default(2),
})
export type Limits = z.infer<typeof LimitsSchema>

/** What may be traded at all; judged before a plan is made. Tokens and pools by address, tokens also by symbol. */
export const RiskSchema = z.strictObject({
  allowTokens: z.array(z.string()).default([]).describe('Where given, nothing else is traded.'),
  denyTokens: z.array(z.string()).default([]),
  denyPools: z.array(z.string()).default([]),
  minDepthWei: WeiSchema.default(wei(10n ** 16n)).describe('Least value of one side of a pool, in native units.'),
  minPoolAgeBlocks: z.int().min(0).default(0).describe('Least age of a pool, where its creation is known.'),
  maxScore: z.int().min(0).max(100).default(80).describe('A plan above this score (0 to 100) is refused.'),
  maxTokenTaxBps: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('A token whose transfer takes more than this is refused.'),
})
export type Risk = z.infer<typeof RiskSchema>
