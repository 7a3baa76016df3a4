import { z } from 'zod'
import type { Address, GasUnits, Hex, Raw, SqrtPriceX96, Wei } from './units.ts'

/**
 * A bigint that travels as a decimal string: `decode` gives the bigint, `encode` the string.
 * In JSON Schema it is a string with a pattern.
 */
const amount = <T extends bigint>() =>
  z.codec(
    z.string().regex(/^-?\d+$/, 'want an integer as a decimal string'),
    z.custom<T>((value) => typeof value === 'bigint'),
    {
      decode: (text) => BigInt(text) as T,
      encode: (value) => value.toString(),
    },
  )

export const WeiSchema = amount<Wei>()
export const RawSchema = amount<Raw>()
export const GasSchema = amount<GasUnits>()
export const SqrtPriceX96Schema = amount<SqrtPriceX96>()
export const BigIntSchema = amount<bigint>()

const isHex = (digits: string) => new RegExp(`^0x[0-9a-f]${digits}$`)
export const AddressSchema = z.custom<Address>(
  (v) => typeof v === 'string' && isHex('{40}').test(v),
  'want a lower-case address',
)
export const HashSchema = z.custom<Hex>(
  (v) => typeof v === 'string' && isHex('{64}').test(v),
  'want 32 bytes of lower-case hex',
)
export const HexSchema = z.custom<Hex>((v) => typeof v === 'string' && isHex('*').test(v), 'want lower-case hex')

/** ISO 8601, UTC. */
export const Timestamp = z.iso.datetime()
export const now = (): string => new Date().toISOString()
