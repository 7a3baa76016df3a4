import { entriesOf, type Fault, type LineOf } from './yaml.ts'

/** Amounts below 0, wherever money is limited; also in a manifest that has other faults. */
export function amountFaults(manifest: unknown, lineOf: LineOf): Fault[] {
  const { limits, risk, minProfitWei } = (manifest ?? {}) as {
    limits?: unknown
    risk?: unknown
    minProfitWei?: unknown
  }
  const tokens = (limits as { tokens?: unknown } | null | undefined)?.tokens
  const amounts: [string[], unknown][] = [
    [['minProfitWei'], minProfitWei],
    ...entriesOf(limits).map(([key, value]): [string[], unknown] => [['limits', key], value]),
    ...entriesOf(risk).map(([key, value]): [string[], unknown] => [['risk', key], value]),
    ...entriesOf(tokens).flatMap(([token, exposure]) =>
      entriesOf(exposure).map(([key, value]): [string[], unknown] => [['limits', 'tokens', token, key], value]),
    ),
  ]
  return amounts.flatMap(([at, value]) =>
    typeof value === 'string' && /^-\d+$/.test(value)
      ? [{ line: lineOf(at), text: `${at.join('.')} is ${value}; an amount is 0 or more` }]
      : [],
  )
}

const ADDRESS = /^0x[0-9a-f]{40}$/i
/** `USDC`, `USDC.e`, `crvUSD`, `1INCH`; what begins with 0x is meant as an address. */
const SYMBOL = /^(?!0x)[A-Za-z0-9₮$][A-Za-z0-9₮$._+-]{0,31}$/
const POOL = /^0x([0-9a-f]{40}|[0-9a-f]{64})$/i

/** Names of tokens and pools that can be none. */
export function assetFaults(manifest: unknown, lineOf: LineOf): Fault[] {
  const { limits, risk } = (manifest ?? {}) as {
    limits?: { tokens?: unknown }
    risk?: { allowTokens?: unknown; denyTokens?: unknown; denyPools?: unknown }
  }
  const listed = (key: 'allowTokens' | 'denyTokens' | 'denyPools'): [string, PropertyKey[]][] =>
    entriesOf(risk?.[key]).map(([index, name]) => [String(name), ['risk', key, Number(index)]])
  const tokens: [string, PropertyKey[]][] = [
    ...entriesOf(limits?.tokens).map(([name]): [string, PropertyKey[]] => [name, ['limits', 'tokens', name]]),
    ...listed('allowTokens'),
    ...listed('denyTokens'),
  ]
  const isToken = (name: string): boolean => ADDRESS.test(name) || SYMBOL.test(name)
  return [
    ...tokens
      .filter(([name]) => !isToken(name))
      .map(([name, at]) => ({
        line: lineOf(at),
        text: `${at.slice(0, 2).join('.')}: "${name}" is no token; give a symbol, or an address: 0x and 40 hex digits, in quotes`,
      })),
    ...listed('denyPools')
      .filter(([name]) => !POOL.test(name))
      .map(([name, at]) => ({
        line: lineOf(at),
        text: `risk.denyPools: "${name}" is no pool; give 0x and 40 hex digits, 64 of a V4 pool, in quotes`,
      })),
  ]
}
