import { type SqrtPriceX96, sqrtPriceX96 } from '../../../../src/protocol/units.ts'

export const MIN_TICK = -887_272
export const MAX_TICK = 887_272
/** Price at MIN_TICK and MAX_TICK: a swap's limit lies strictly between. */
export const MIN_SQRT_PRICE = sqrtPriceX96(4_295_128_739n)
export const MAX_SQRT_PRICE = sqrtPriceX96(1461446703485210103287273052203988822378723970342n)

/** Factor i is 1.0001^(-2^i / 2) as a Q128 number, as the pool has it. */
const FACTORS = [
  0xfffcb933bd6fad37aa2d162d1a594001n,
  0xfff97272373d413259a46990580e213an,
  0xfff2e50f5f656932ef12357cf3c7fdccn,
  0xffe5caca7e10e4e61c3624eaa0941cd0n,
  0xffcb9843d60f6159c9db58835c926644n,
  0xff973b41fa98c081472e6896dfb254c0n,
  0xff2ea16466c96a3843ec78b326b52861n,
  0xfe5dee046a99a2a811c461f1969c3053n,
  0xfcbe86c7900a88aedcffc83b479aa3a4n,
  0xf987a7253ac413176f2b074cf7815e54n,
  0xf3392b0822b70005940c7a398e4b70f3n,
  0xe7159475a2c29b7443b29c7fa6e889d9n,
  0xd097f3bdfd2022b8845ad8f792aa5825n,
  0xa9f746462d870fdf8a65dc1f90e061e5n,
  0x70d869a156d2a1b890bb3df62baf32f7n,
  0x31be135f97d08fd981231505542fcfa6n,
  0x9aa508b5b7a84e1c677de54f3e99bc9n,
  0x5d6af8dedb81196699c329225ee604n,
  0x2216e584f5fa1ea926041bedfe98n,
  0x48a170391f7dc42444e8fa2n,
]
const MAX_UINT256 = (1n << 256n) - 1n
const LOG_BASE = Math.log(1.0001) / 2
const CACHE_LIMIT = 100_000
const cache = new Map<number, SqrtPriceX96>()

/** sqrt(1.0001^tick) as Q64.96, rounded as the pool rounds it. @param tick MIN_TICK…MAX_TICK */
export function sqrtPriceAtTick(tick: number): SqrtPriceX96 {
  const known = cache.get(tick)
  if (known !== undefined) return known
  const magnitude = Math.abs(tick)
  let ratio = 1n << 128n
  for (const [bit, factor] of FACTORS.entries()) {
    if (magnitude & (1 << bit)) ratio = (ratio * factor) >> 128n
  }
  if (tick > 0) ratio = MAX_UINT256 / ratio
  const price = sqrtPriceX96((ratio >> 32n) + (ratio & 0xffffffffn ? 1n : 0n))
  if (cache.size >= CACHE_LIMIT) cache.clear()
  cache.set(tick, price)
  return price
}

/** Greatest tick whose price is not above this one. @param price MIN_SQRT_PRICE ≤ price < MAX_SQRT_PRICE */
export function tickAtSqrtPrice(price: SqrtPriceX96): number {
  // The logarithm in doubles is off by far less than one tick; the exact prices decide.
  let tick = Math.floor(Math.log(Number(price) / 2 ** 96) / LOG_BASE)
  tick = Math.max(MIN_TICK, Math.min(MAX_TICK - 1, tick))
  while (tick > MIN_TICK && sqrtPriceAtTick(tick) > price) tick -= 1
  while (tick < MAX_TICK - 1 && sqrtPriceAtTick(tick + 1) <= price) tick += 1
  return tick
}
