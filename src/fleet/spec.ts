import { createHash } from 'node:crypto'
import { type FleetSpec, FleetSpecSchema, ROLE_NAMES } from '../protocol/fleet.ts'
import { stringify } from '../protocol/json.ts'
import { type Fault, type FileKind, parseYaml, readYaml } from './yaml.ts'

const PORT_MAX = 65_535

const MANIFEST: FileKind<typeof FleetSpecSchema> = {
  schema: FleetSpecSchema,
  noun: 'the manifest',
  missing: 'Pass --manifest with a file that exists, or leave it out for config/fleet.yaml.',
  remedy: 'Correct the lines named; config/fleet.yaml in the repository is a working example.',
  known: (path) => (path.length === 1 && path[0] === 'roles' ? ROLE_NAMES : []),
  more: (manifest, lineOf) => [
    ...portFaults(manifest, lineOf),
    ...countFaults(manifest, lineOf),
    ...amountFaults(manifest, lineOf),
    ...nameFaults(manifest, lineOf),
  ],
}

/**
 * Reads and checks a fleet manifest.
 * @throws FleetError `config_invalid` listing every fault at once, each with its line and its remedy
 */
export const readSpec = (file: string): FleetSpec => readYaml(file, MANIFEST)

/** `readSpec` of text; `file` is only named in faults. */
export const parseSpec = (text: string, file: string): FleetSpec => parseYaml(text, file, MANIFEST)

/** What labels the containers made from this spec; 12 hex digits. */
export function specHash(spec: FleetSpec): string {
  return createHash('sha256').update(stringify(spec)).digest('hex').slice(0, 12)
}

/** Overlapping port ranges, also in a manifest that has other faults. */
function portFaults(manifest: unknown, lineOf: (path: readonly PropertyKey[]) => number): Fault[] {
  const roles = Object.entries(
    (manifest as { roles?: Record<string, { firstPort?: unknown; max?: unknown }> } | null)?.roles ?? {},
  )
    .flatMap(([role, spec]) =>
      typeof spec?.firstPort === 'number' && typeof spec.max === 'number'
        ? [{ role, first: spec.firstPort, last: spec.firstPort + spec.max - 1 }]
        : [],
    )
    .sort((a, b) => a.first - b.first)
  const faults: Fault[] = []
  let highest: (typeof roles)[number] | undefined
  for (const range of roles) {
    const at = lineOf(['roles', range.role, 'firstPort'])
    if (range.last > PORT_MAX)
      faults.push({
        line: at,
        text: `the ports of ${range.role} (${range.first}-${range.last}) go past ${PORT_MAX}; move firstPort down or lower max`,
      })
    if (highest && range.first <= highest.last) {
      faults.push({
        line: at,
        text: `the ports of ${range.role} (${range.first}-${range.last}) overlap those of ${highest.role} (${highest.first}-${highest.last}); move firstPort above ${highest.last} or lower max of ${highest.role}`,
      })
    }
    if (!highest || range.last > highest.last) highest = range
  }
  return faults
}

/** Counts above the role's max. */
function countFaults(manifest: unknown, lineOf: (path: readonly PropertyKey[]) => number): Fault[] {
  const roles =
    (manifest as { roles?: Record<string, { max?: unknown; counts?: Record<string, unknown> } | null> } | null)
      ?.roles ?? {}
  return Object.entries(roles).flatMap(([role, spec]) =>
    Object.entries(spec?.counts ?? {}).flatMap(([profile, count]) =>
      typeof count === 'number' && typeof spec?.max === 'number' && count > spec.max
        ? [
            {
              line: lineOf(['roles', role, 'counts', profile]),
              text: `roles.${role}.counts.${profile} is ${count}, above max ${spec.max}; raise max or lower it`,
            },
          ]
        : [],
    ),
  )
}

type LineOf = (path: readonly PropertyKey[]) => number

const entries = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

/** Amounts below 0, wherever money is limited. */
function amountFaults(manifest: unknown, lineOf: LineOf): Fault[] {
  const { limits, risk, minProfitWei } = (manifest ?? {}) as {
    limits?: unknown
    risk?: unknown
    minProfitWei?: unknown
  }
  const tokens = (limits as { tokens?: unknown } | null | undefined)?.tokens
  const amounts: [string[], unknown][] = [
    [['minProfitWei'], minProfitWei],
    ...entries(limits).map(([key, value]): [string[], unknown] => [['limits', key], value]),
    ...entries(risk).map(([key, value]): [string[], unknown] => [['risk', key], value]),
    ...entries(tokens).flatMap(([token, exposure]) =>
      entries(exposure).map(([key, value]): [string[], unknown] => [['limits', 'tokens', token, key], value]),
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
function nameFaults(manifest: unknown, lineOf: LineOf): Fault[] {
  const { limits, risk } = (manifest ?? {}) as {
    limits?: { tokens?: unknown }
    risk?: { allowTokens?: unknown; denyTokens?: unknown; denyPools?: unknown }
  }
  const listed = (key: 'allowTokens' | 'denyTokens' | 'denyPools'): [string, PropertyKey[]][] =>
    entries(risk?.[key]).map(([index, name]) => [String(name), ['risk', key, Number(index)]])
  const tokens: [string, PropertyKey[]][] = [
    ...entries(limits?.tokens).map(([name]): [string, PropertyKey[]] => [name, ['limits', 'tokens', name]]),
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
