declare const unit: unique symbol

/** Native currency, 1e-18. May be negative where it is a difference (profit minus gas). */
export type Wei = bigint & { readonly [unit]: 'wei' }
/** A token's smallest unit; which token is said beside it. */
export type Raw = bigint & { readonly [unit]: 'raw' }
export type GasUnits = bigint & { readonly [unit]: 'gas' }
/** sqrt(token1 / token0) as a Q64.96 fixed-point number, as Uniswap V3 stores it. */
export type SqrtPriceX96 = bigint & { readonly [unit]: 'sqrtPriceX96' }
/** Hundredths of a basis point: 3000 pips = 0.3 %. */
export type Pips = number
/** 20 bytes, 0x and 40 lower-case hex digits. */
export type Address = `0x${string}`
export type Hex = `0x${string}`

export const wei = (value: bigint): Wei => value as Wei
export const raw = (value: bigint): Raw => value as Raw
export const gasUnits = (value: bigint): GasUnits => value as GasUnits
export const sqrtPriceX96 = (value: bigint): SqrtPriceX96 => value as SqrtPriceX96
/** Lower-cases; the text must already be an address. */
export const address = (text: string): Address => text.toLowerCase() as Address
