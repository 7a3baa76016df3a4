import { z } from 'zod'
import { AddressSchema, HashSchema, HexSchema, Timestamp } from './schemas.ts'
import { LenderSchema, POOL_KINDS, PoolIdSchema } from './trade.ts'

export const TokenInfoSchema = z.object({ address: AddressSchema, symbol: z.string(), decimals: z.int() })
export type TokenInfo = z.infer<typeof TokenInfoSchema>

/** A pool without its state. */
export const PoolInfoSchema = z.object({
  kind: z.enum(POOL_KINDS),
  address: PoolIdSchema,
  dex: z.string(),
  token0: AddressSchema,
  token1: AddressSchema,
  feePips: z.int(),
  tickSpacing: z.int().optional(),
  /** Only v4: the PoolManager. */
  manager: AddressSchema.optional(),
  /** The block it was created in, where that is known. */
  createdBlock: z.int().optional(),
})
export type PoolInfo = z.infer<typeof PoolInfoSchema>

/** A contract that makes the pools of one venue; of V4 the PoolManager, which holds them. */
export const PoolFactorySchema = z.object({
  kind: z.enum(POOL_KINDS),
  dex: z.string(),
  address: AddressSchema,
  /** Of all its pools; only V2, 3000 unless told. */
  feePips: z.int().optional(),
  /** The block it was deployed in, or an earlier one. */
  fromBlock: z.int().min(0),
  /**
   * keccak256 of the code that creates its pools, where that is one for all: a pool's address is then CREATE2's, of whoever
   * creates it, of tokens and (V3) fee, and of this hash, so that the address alone says what code it began with.
   */
  poolInitCodeHash: HashSchema.optional(),
  /** Who creates them, where that is not the factory itself. */
  poolDeployer: AddressSchema.optional(),
  /** keccak256 of the code of its pools, where that is the same for all. */
  poolCodeHash: HashSchema.optional(),
})
export type PoolFactory = z.infer<typeof PoolFactorySchema>

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
  /** Tokens that cycles begin and end with, the most wanted first; empty: the wrapped native token alone. */
  bases: z.array(AddressSchema).default([]),
  /** How the fee for L1 data is asked, where there is one. */
  l1Fee: z.enum(['none', 'op_stack']).default('none'),
  /** Blocks after which one is taken as final. */
  finalityBlocks: z.int().min(0).default(2),
  /** `public`: the node's pool. Else the URL is a secret file `submit-url`: a private RPC. */
  submit: z.enum(['public', 'private']).default('public'),
  tokens: z.array(TokenInfoSchema),
  pools: z.array(PoolInfoSchema),
  /** Who makes pools, and the block at which `pools` were read: later ones are looked for. Absent: `pools` are all. */
  poolSource: z.object({ factories: z.array(PoolFactorySchema), fromBlock: z.int().min(0) }).optional(),
  lenders: z.array(LenderSchema),
  /** Our contract; with `code` it is not there, and dry runs are simulated as if it were. */
  executor: z.object({ address: AddressSchema, codeHash: HashSchema, code: HexSchema.optional() }).nullable(),
  /** Code hashes that are known to be good, by contract kind (`v2_pair`, `v3_pool`, `token`, `aave_v3_pool`). */
  codeHashes: z.record(z.string(), z.array(HashSchema)),
  seed: z.string().nullable(),
  at: Timestamp,
})
export type ChainInfo = z.infer<typeof ChainInfoSchema>

/** Tokens that cycles begin and end with. */
export const basesOf = ({ bases, weth }: Pick<ChainInfo, 'bases' | 'weth'>): readonly ChainInfo['bases'][number][] =>
  bases.length > 0 ? bases : weth ? [weth] : []

/** The newest block that the bot has worked through. Key `head`. */
export const HeadSchema = z.object({
  chainInstance: z.string(),
  number: z.int(),
  hash: HashSchema,
  at: Timestamp,
  pools: z.int(),
})
export type Head = z.infer<typeof HeadSchema>
