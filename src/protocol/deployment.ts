import { z } from 'zod'
import { AddressSchema, GasSchema, HashSchema, RawSchema, WeiSchema } from './schemas.ts'
import type { Address } from './units.ts'

/** What `deploy-executor` did, or with --dry-run would do. */
export const DeploymentSchema = z.object({
  dryRun: z.boolean(),
  chainId: z.int(),
  /** Of the chain profile. */
  chain: z.string(),
  /** Where the contract is; in a dry run, where it would be if it were sent now. */
  address: AddressSchema,
  codeHash: HashSchema,
  owner: AddressSchema,
  executors: z.array(AddressSchema),
  /** Most that one trade may put in, by token. */
  caps: z.array(z.object({ token: AddressSchema, symbol: z.string(), capRaw: RawSchema })),
  /** Who paid. */
  from: AddressSchema,
  balanceWei: WeiSchema,
  tx: HashSchema.nullable(),
  block: z.int().nullable(),
  /** In a dry run an estimate. */
  gasUsed: GasSchema,
  /** What was paid, the fee for L1 data included; in a dry run the most that it may cost, without that fee. */
  gasWei: WeiSchema,
  warnings: z.array(z.string()),
  /** The command that goes live with it. */
  next: z.string(),
})
export type Deployment = z.infer<typeof DeploymentSchema>

/** `TOKEN=RAW` of --cap: a symbol of the chain's profile or an address. */
export interface Cap {
  token: string
  capRaw: bigint
}

/** What the operator asked for. */
export interface DeployOrder {
  owner: Address
  /** Undefined: the addresses of the key file. */
  executors: readonly Address[] | undefined
  /** Empty: what the limits of the manifest let one trade borrow. */
  caps: readonly Cap[]
  dryRun: boolean
  /** The owner may be a hot key. */
  hotOwner: boolean
}
