/** Decimals appear here and nowhere else: amounts are bigint everywhere until a person reads them. */

const group = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ',')
const sign = (amount: bigint): string => (amount < 0n ? '-' : amount > 0n ? '+' : '')
const magnitude = (amount: bigint): bigint => (amount < 0n ? -amount : amount)

/** Whole and fraction with exactly `places` digits, rounded toward zero: never more than there is. */
function fixed(amount: bigint, decimals: number, places: number): string {
  const digits = amount.toString().padStart(decimals + 1, '0')
  const whole = group(digits.slice(0, digits.length - decimals))
  const fraction = digits.slice(digits.length - decimals).padEnd(places, '0')
  return places === 0 ? whole : `${whole}.${fraction.slice(0, places)}`
}

/**
 * A profit or loss in ETH with its sign and six decimals, rounded toward zero. What six decimals would show as nothing
 * is given in gwei or wei, with the unit.
 */
export function formatProfit(wei: bigint): string {
  const size = magnitude(wei)
  if (size === 0n) return '0.000000'
  if (size >= 1_000_000_000_000n) return sign(wei) + fixed(size, 18, 6)
  if (size >= 1_000_000_000n) return `${sign(wei)}${fixed(size, 9, 0)} gwei`
  return `${sign(wei)}${size} wei`
}

/** `formatProfit` with its unit: `+0.001200 ETH`. */
export function formatEth(wei: bigint): string {
  const text = formatProfit(wei)
  return text.endsWith('wei') ? text : `${text} ETH`
}

/** A token amount (raw units, never negative here) with about four figures that count, rounded toward zero. */
export function formatAmount(raw: bigint, decimals: number): string {
  const size = magnitude(raw)
  const one = 10n ** BigInt(decimals)
  const places = size >= 1000n * one ? 0 : size >= 10n * one ? 2 : 4
  const text = fixed(size, decimals, Math.min(places, decimals))
  return (raw < 0n ? '-' : '') + (text.includes('.') ? text.replace(/\.?0+$/, '') : text)
}

/** For drawing only: a chart needs no more than a double holds. */
export const ethNumber = (wei: bigint): number => Number(wei) / 1e18

export const formatCount = (value: number): string => group(String(Math.trunc(value)))

/** `4s`, `12m`, `3h`, `2d`; a time in the future (clocks differ) is `0s`. */
export function formatAge(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}

export const ageOf = (at: string | null, now: number): string => (at === null ? '–' : formatAge(now - Date.parse(at)))

/** `0x12ab34cd` and an ellipsis for a hash; anything else as it is. */
export const shortId = (id: string): string => (/^0x[0-9a-f]{16,}$/.test(id) ? `${id.slice(0, 10)}…` : id)

/** `482 MB`, `1.2 GB` of 10^6 and 10^9 bytes. */
export function formatBytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`
}

export const formatPercent = (percent: number): string => `${Math.round(percent)} %`

/** Local time of day, `14:03:59`. */
export function formatClock(at: string): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return '--:--:--'
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':')
}
