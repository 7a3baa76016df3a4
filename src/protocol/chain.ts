import { z } from 'zod'
import { AddressSchema, HashSchema, Timestamp } from './schemas.ts'
import { LenderSchema } from './trade.ts'

export const TokenInfoSchema = z.object({ address: AddressSchema, symbol: z.string(), decimals: z.int() })
export type TokenInfo = z.infer<typeof TokenInfoSchema>

/** A pool without its state. */
export const PoolInfoSchema = z.object({
  kind: z.enum(['v2', 'v3']),
  address: AddressSchema,
  dex: z.string(),
  token0: AddressSchema,
  token1: AddressSchema,
  feePips: z.int(),
  tickSpacing: z.int().optional(),
})
export type PoolInfo = z.infer<typeof PoolInfoSchema>

/** Where trades happen. Key `chain`; written by the sandbox, or by `up` for a node that is not ours. */
export const ChainInfoSchema = z.object({
  /** A new one at each start of a sandbox; `CHAINID` for a real chain. State and plans of another instance are dropped. */
  chainInstance: z.string(),
  chainId: z.int(),
  sandbox: z.boolean(),
  /** `ws://…` or `ipc:/path` for the sandbox; for another chain null: the URL is a secret file `rpc-url`. */
  url: z.string().nullable(),
  /** Wrapped native token. */
  weth: AddressSchema.nullable(),
  tokens: z.array(TokenInfoSchema),
  pools: z.array(PoolInfoSchema),
  lenders: z.array(LenderSchema),
  /** Our contract. */
  executor: z.object({ address: AddressSchema, codeHash: HashSchema }).nullable(),
  /** Code hashes that are known to be good, by contract kind (`v2_pair`, `v3_pool`, `token`, `aave_v3_pool`). */
  codeHashes: z.record(z.string(), z.array(HashSchema)),
  seed: z.string().nullable(),
  at: Timestamp,
})
export type ChainInfo = z.infer<typeof ChainInfoSchema>

/** The newest block that the bot has worked through. Key `head`. */
export const HeadSchema = z.object({
  chainInstance: z.string(),
  number: z.int(),
  hash: HashSchema,
  at: Timestamp,
  pools: z.int(),
})
export type Head = z.infer<typeof HeadSchema>
