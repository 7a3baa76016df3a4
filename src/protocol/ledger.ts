import { z } from 'zod'
import { AddressSchema, HashSchema, Timestamp, WeiSchema } from './schemas.ts'
import { StageSchema } from './task.ts'
import { ExecutionSchema, LENDER_KINDS } from './trade.ts'

/** How long one result was in coming: from the result before it (the first: from the opportunity) until it was there. */
export const StageTimeSchema = z.object({
  stage: StageSchema,
  attempt: z.int(),
  /** Until an agent took the task. */
  waitMs: z.number(),
  /** The agent's own work. */
  workMs: z.number(),
})
export type StageTime = z.infer<typeof StageTimeSchema>

/**
 * What one trade that reached a block brought and cost, in native units; amounts of another token are counted at the
 * rate of its plan. grossWei - premiumWei - tipWei = profitWei, and profitWei - gasWei = netWei.
 */
const TradeEntrySchema = z.object({
  entry: z.literal('trade'),
  id: HashSchema,
  /** When it ended. */
  at: Timestamp,
  chainInstance: z.string(),
  chainId: z.int(),
  /** `missed`: only what cancelled it reached a block. */
  state: z.enum(['executed', 'reverted', 'missed']),
  /** Attempts made; gas is that of all of them, the rest is of the last that reached a block. */
  attempts: z.int(),
  tx: HashSchema.nullable(),
  block: z.int().nullable(),
  /** `WETH →uniswap_v2→ USDC →sushi_v2→ WETH` */
  route: z.string(),
  /** One a hop, in order. */
  venues: z.array(z.string()),
  lender: z.enum(LENDER_KINDS),
  lenderAddress: AddressSchema,
  token: AddressSchema,
  sizeRaw: z.string(),
  /** What the last hop gave beyond what the first one took. */
  grossWei: WeiSchema,
  premiumWei: WeiSchema,
  tipWei: WeiSchema,
  /** What the contract kept: realised, before gas. */
  profitWei: WeiSchema,
  /** What was promised before it was signed: profitWei, if all went as it should. */
  predictedWei: WeiSchema,
  gasWei: WeiSchema,
  /** Part of gasWei. */
  l1FeeWei: WeiSchema,
  netWei: WeiSchema,
  stages: z.array(StageTimeSchema),
  /** From the block that it was found in to its end. */
  totalMs: z.number(),
  reason: z.string().nullable(),
})

/** The chain took back, moved or belatedly mined what was entered: the differences. */
const CorrectionEntrySchema = z.object({
  entry: z.literal('correction'),
  /** Of the trade. */
  id: HashSchema,
  at: Timestamp,
  attempt: z.int(),
  /** From 1, or 0 where the trade itself was lost before it was counted. */
  correction: z.int(),
  was: ExecutionSchema.shape.status,
  status: ExecutionSchema.shape.status,
  tx: HashSchema.nullable(),
  block: z.int().nullable(),
  profitDeltaWei: WeiSchema,
  gasDeltaWei: WeiSchema,
  reason: z.string().nullable(),
})

/** History keeps these, append only: what was entered is never changed, a correction is entered after it. */
export const LedgerEntrySchema = z.discriminatedUnion('entry', [TradeEntrySchema, CorrectionEntrySchema])
export type LedgerEntry = z.infer<typeof LedgerEntrySchema>
export type TradeEntry = Extract<LedgerEntry, { entry: 'trade' }>
export type CorrectionEntry = Extract<LedgerEntry, { entry: 'correction' }>

/** A row of `ledger`: a trade, or a correction of one with its differences; sums over rows are right with both. */
export const LedgerRowSchema = TradeEntrySchema.omit({ entry: true, state: true }).extend({
  /** 0: the trade itself. */
  correction: z.int(),
  state: ExecutionSchema.shape.status,
  /** Null only of a correction whose trade is not remembered. */
  lender: z.enum(LENDER_KINDS).nullable(),
  lenderAddress: AddressSchema.nullable(),
  token: AddressSchema.nullable(),
})
export type LedgerRow = z.infer<typeof LedgerRowSchema>

const sums = {
  /** Trades with a row in it; with `--by venue` a trade counts at each of its venues. */
  trades: z.int(),
  grossWei: WeiSchema,
  premiumWei: WeiSchema,
  tipWei: WeiSchema,
  profitWei: WeiSchema,
  predictedWei: WeiSchema,
  gasWei: WeiSchema,
  l1FeeWei: WeiSchema,
  netWei: WeiSchema,
}
export const LedgerSumSchema = z.object({ key: z.string(), ...sums })
export type LedgerSum = z.infer<typeof LedgerSumSchema>

export const LEDGER_GROUPS = ['day', 'route', 'venue', 'lender', 'chain'] as const
export type LedgerGroup = (typeof LEDGER_GROUPS)[number]

/** What `ledger --json` prints. */
export const LedgerSchema = z.object({
  by: z.enum(LEDGER_GROUPS).nullable(),
  ledger: z.union([z.array(LedgerRowSchema), z.array(LedgerSumSchema)]),
  total: z.object(sums),
})
export type Ledger = z.infer<typeof LedgerSchema>
