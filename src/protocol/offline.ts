import { z } from 'zod'
import { AddressSchema, RawSchema } from './schemas.ts'
import { PoolIdSchema } from './trade.ts'
import type { Address, Raw } from './units.ts'

const ScanHopSchema = z.object({
  pool: PoolIdSchema,
  tokenIn: AddressSchema,
  tokenOut: AddressSchema,
  amountIn: RawSchema,
  amountOut: RawSchema,
})

/** What `scan --json` prints. */
export const ScanSchema = z.object({
  pools: z.int(),
  tokens: z.int(),
  cycles: z.int(),
  /** To find the cycles, and to size what they earn. */
  indexMs: z.number(),
  scanMs: z.number(),
  trades: z.array(
    z.object({
      hops: z.array(ScanHopSchema).min(2).max(4),
      sizeRaw: RawSchema,
      /** Last amountOut - sizeRaw: swap fees are in it, gas and flash premium are not. */
      profitRaw: RawSchema,
    }),
  ),
  totalProfitRaw: RawSchema,
})
export type ScanReport = z.infer<typeof ScanSchema>

/** What `quote --json` prints. */
export const QuoteSchema = z.object({ amountIn: RawSchema, amountOut: RawSchema })
export type QuoteReport = z.infer<typeof QuoteSchema>

/** What `quote --batch` prints a line of: the answer, or why there is none. */
export const QuoteLineSchema = z.union([
  QuoteSchema,
  z.object({ error: z.object({ code: z.string(), message: z.string(), remedy: z.string() }) }),
])

/** A token of a pool snapshot. */
export const SnapshotTokenSchema = z.object({
  kind: z.literal('token'),
  address: AddressSchema,
  decimals: z.int().min(0).max(255),
  symbol: z.string().optional(),
})
export type SnapshotToken = z.infer<typeof SnapshotTokenSchema>

export interface ScanOrder {
  snapshot: string
  /** Address or symbol. */
  base: string
  /** 2 to 4. */
  maxHops: number
  /** 1 or more. */
  minProfitRaw: Raw
  greedy: boolean
}

export interface QuoteOrder {
  pool: string
  tokenIn: string
  amount: Raw
  /** Whether `amount` goes in, or is to come out. */
  exactIn: boolean
}

/** What a person reads amounts with. */
export type TokenNames = ReadonlyMap<Address, { symbol: string; decimals: number }>
