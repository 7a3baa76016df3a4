import { z } from 'zod'
import {
  AddressSchema,
  BigIntSchema,
  GasSchema,
  HashSchema,
  HexSchema,
  RawSchema,
  SqrtPriceX96Schema,
  Timestamp,
  WeiSchema,
} from './schemas.ts'
import type { Address } from './units.ts'

/** What names a pool: the address of its contract, or, where one contract holds many (V4), its id of 32 bytes. */
export const PoolIdSchema = z.custom<Address>(
  (v) => AddressSchema.safeParse(v).success || HashSchema.safeParse(v).success,
  'want a lower-case address, or the 32 bytes of a V4 pool',
)
export type PoolId = z.output<typeof PoolIdSchema>

const poolBase = {
  address: PoolIdSchema,
  /** Name of the venue: `uniswap_v2`, `sushi_v2`, `uniswap_v3`. */
  dex: z.string(),
  token0: AddressSchema,
  token1: AddressSchema,
  feePips: z.int().min(0).max(999_999),
}
export const V2PoolSchema = z.object({ kind: z.literal('v2'), ...poolBase, reserve0: RawSchema, reserve1: RawSchema })
export const V3PoolSchema = z.object({
  kind: z.literal('v3'),
  ...poolBase,
  tickSpacing: z.int().min(1),
  sqrtPriceX96: SqrtPriceX96Schema,
  liquidity: BigIntSchema,
  tick: z.int(),
  /** Initialised tick to its liquidityNet; absent: the liquidity is taken as constant. */
  ticks: z.record(z.string().regex(/^-?\d+$/), BigIntSchema).optional(),
})
/** A Uniswap V4 pool without hooks, between two ERC-20 tokens; `feePips` is the fee of its key, kept by the liquidity. */
export const V4PoolSchema = z.object({
  ...V3PoolSchema.shape,
  kind: z.literal('v4'),
  /** The PoolManager that holds it. */
  manager: AddressSchema,
  /** What the protocol takes on top of `feePips`, for token0 going in and for token1 going in. */
  protocolFeePips: z.tuple([z.int(), z.int()]).default([0, 0]),
})
/** A pool and its state at one block. Another kind joins here, and as a file of agent/dex/pools. */
export const PoolStateSchema = z.discriminatedUnion('kind', [V2PoolSchema, V3PoolSchema, V4PoolSchema])
export const POOL_KINDS = ['v2', 'v3', 'v4'] as const
export type V2Pool = z.infer<typeof V2PoolSchema>
export type V3Pool = z.infer<typeof V3PoolSchema>
export type V4Pool = z.infer<typeof V4PoolSchema>
export type PoolState = z.infer<typeof PoolStateSchema>
export type PoolKind = PoolState['kind']

export const HopSchema = z.object({
  pool: PoolIdSchema,
  kind: z.enum(POOL_KINDS),
  dex: z.string(),
  feePips: z.int(),
  tokenIn: AddressSchema,
  tokenOut: AddressSchema,
  /** True when token0 goes in. */
  zeroForOne: z.boolean(),
  /** Only v4: what the pool's key says besides tokens and fee. */
  v4: z.object({ manager: AddressSchema, tickSpacing: z.int() }).optional(),
  amountIn: RawSchema,
  amountOut: RawSchema,
})
export type Hop = z.infer<typeof HopSchema>

export const LENDER_KINDS = ['own', 'aave_v3', 'balancer_v2', 'uniswap_v3', 'uniswap_v2', 'uniswap_v4'] as const
/**
 * Who lends. `premiumBps` of the loan, rounded as the lender rounds (agent/dex/lending/premium.ts), is paid back on top.
 * `own`: nobody, ArbExecutor's own balance; the address is ArbExecutor's. `uniswap_v2`, `uniswap_v3`: a pair's flash swap,
 * a pool's flash(); where the lender is the first pool of the route, that pool pays out before it is paid, and there
 * is no premium. `uniswap_v4`: the manager of the route's first pool, in this way alone.
 */
export const LenderSchema = z.object({
  kind: z.enum(LENDER_KINDS),
  address: AddressSchema,
  premiumBps: z.int(),
  /** How an Aave V3 pool rounds its premium, which its version decides. Absent: it is not known, and counted as up. */
  rounding: z.enum(['half_up', 'up']).optional(),
  /** Of a pair or a pool, which lend these alone. */
  tokens: z.array(AddressSchema).optional(),
})
export type Lender = z.infer<typeof LenderSchema>

export const OpportunitySchema = z.object({
  /** keccak256 of chain instance, block and route. The workflow's id. */
  id: HashSchema,
  chainInstance: z.string(),
  block: z.int(),
  blockHash: HashSchema,
  /** The token that is borrowed, gained and paid back. */
  token: AddressSchema,
  lender: LenderSchema,
  hops: z.array(HopSchema).min(2).max(4),
  /** The loan. */
  sizeRaw: RawSchema,
  premiumRaw: RawSchema,
  /** Last amountOut - sizeRaw - premiumRaw: before gas. */
  profitRaw: RawSchema,
  /** profitRaw in native units. */
  profitWei: WeiSchema,
  /** What gas is expected to cost at the block's base fee, with the L1 fee where the chain has one. */
  gasWei: WeiSchema,
  /** The tip to the block's builder, paid by the contract out of the profit. */
  tipWei: WeiSchema.optional(),
  expiresBlock: z.int(),
  at: Timestamp,
})
export type Opportunity = z.infer<typeof OpportunitySchema>

/** What code_indexer found on the route: every contract, its kind and code hash, and whether it is known. */
export const InspectionSchema = z.object({
  contracts: z.array(
    z.object({
      address: AddressSchema,
      kind: z.enum(['pool', 'token', 'lender']),
      codeHash: HashSchema,
      known: z.boolean(),
      note: z.string().optional(),
    }),
  ),
})
export type Inspection = z.infer<typeof InspectionSchema>

export const TradePlanSchema = z.object({
  opportunityId: HashSchema,
  chainInstance: z.string(),
  attempt: z.int().min(1),
  /** The block whose state the amounts in `hops` were computed from. */
  block: z.int(),
  token: AddressSchema,
  lender: LenderSchema,
  hops: z.array(HopSchema).min(2).max(4),
  sizeRaw: RawSchema,
  expectedProfitRaw: RawSchema,
  /** The same in native units: the rate at which all that this plan earns is counted. */
  expectedProfitWei: WeiSchema,
  /** To the block's builder, out of the profit; only where `token` is the wrapped native token. */
  tipWei: WeiSchema.optional(),
  /** The floor that the contract enforces: less reverts. */
  minProfitRaw: RawSchema,
  /** 0 (none) to 100. */
  riskScore: z.number().min(0).max(100),
  expiresBlock: z.int(),
})
export type TradePlan = z.infer<typeof TradePlanSchema>

/** The call of ArbExecutor for a plan. `deadlineBlock` 0 is open: test_writer closes it. */
export const BuiltTxSchema = z.object({
  plan: TradePlanSchema,
  to: AddressSchema,
  data: HexSchema,
  gasLimit: GasSchema,
  deadlineBlock: z.int(),
})
export type BuiltTx = z.infer<typeof BuiltTxSchema>

/** A simulation of exactly the bytes in `tx`. */
export const VerdictSchema = z.object({
  tx: BuiltTxSchema,
  pass: z.boolean(),
  validatedBlock: z.int(),
  deadlineBlock: z.int(),
  /** What the contract keeps at validatedBlock's state, before gas. */
  predictedRaw: RawSchema,
  predictedWei: WeiSchema,
  gasUsed: GasSchema,
  adverse: z.array(
    z.object({
      scenario: z.string(),
      outcome: z.enum(['profit', 'reverts']),
      profitRaw: RawSchema.nullable(),
      /** Why it reverts, in words. */
      reason: z.string().optional(),
    }),
  ),
  reason: z.string().nullable(),
})
export type Verdict = z.infer<typeof VerdictSchema>

export const ExecutionSchema = z.object({
  opportunityId: HashSchema,
  chainInstance: z.string(),
  attempt: z.int(),
  /** `missed`: not mined by its deadline, and it can no longer be. `dry_run`: stopped before signing. */
  status: z.enum(['executed', 'reverted', 'missed', 'dry_run']),
  tx: HashSchema.nullable(),
  from: AddressSchema.nullable(),
  block: z.int().nullable(),
  token: AddressSchema,
  predictedWei: WeiSchema,
  /** What the contract kept, before gas; 0 unless executed. */
  profitRaw: RawSchema,
  profitWei: WeiSchema,
  gasUsed: GasSchema,
  /** All that was paid for gas, the L1 fee included. */
  gasWei: WeiSchema,
  /** Part of gasWei: the fee for L1 data, on chains that have one. */
  l1FeeWei: WeiSchema.optional(),
  tipWei: WeiSchema.optional(),
  reason: z.string().nullable(),
  at: Timestamp,
})
export type Execution = z.infer<typeof ExecutionSchema>

/** Promised against earned. */
export const ReviewSchema = z.object({
  opportunityId: HashSchema,
  attempt: z.int(),
  tx: HashSchema.nullable(),
  block: z.int().nullable(),
  predictedWei: WeiSchema,
  profitWei: WeiSchema,
  gasWei: WeiSchema,
  /** profitWei, as the chain's logs say it, equals predictedWei. */
  exact: z.boolean(),
  findings: z.array(z.string()),
})
export type Review = z.infer<typeof ReviewSchema>
