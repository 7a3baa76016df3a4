import { readdirSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import type { TokenInfo } from '../protocol/chain.ts'
import { FleetError } from '../protocol/errors.ts'
import { HashSchema } from '../protocol/schemas.ts'
import { LENDER_KINDS, POOL_KINDS } from '../protocol/trade.ts'
import { type Address, address } from '../protocol/units.ts'
import { type Fault, type FileKind, readYaml } from './yaml.ts'

/** An address as explorers write it, in mixed case too; lower-cased here. */
const AnyAddress = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'want an address: 0x and 40 hex digits, in quotes')
  .transform((text): Address => address(text))

const FactorySchema = z.strictObject({
  kind: z.enum(POOL_KINDS),
  /** Name of the venue: `uniswap_v2`. */
  dex: z.string().regex(/^[a-z0-9_]+$/, 'want lower-case letters, digits and _'),
  /** The factory; of V4 the PoolManager. */
  address: AnyAddress,
  /** The fee rule of a V2 factory: one fee for all its pairs. */
  feePips: z.int().min(1).max(999_999).optional(),
  /** Fee tiers of a V3 factory, fee and tick spacing of the keys of V4 pools that are looked for; pips. */
  feeTiers: z
    .array(z.strictObject({ feePips: z.int().min(0).max(999_999), tickSpacing: z.int().min(1).max(32_767) }))
    .optional(),
  /** The block it was deployed in: nothing of it is older. */
  fromBlock: z.int().min(0),
  /** keccak256 of the code of its pools, where it is the same for all: one with other code is left out. */
  poolCodeHash: HashSchema.optional(),
  /** keccak256 of what its pools are created from, V2 and V3: one whose address does not follow from it is left out. */
  poolInitCodeHash: HashSchema.optional(),
  /** Who creates its pools, where that is not the factory itself. */
  poolDeployer: AnyAddress.optional(),
})

const ProfileLenderSchema = z.strictObject({
  kind: z.enum(LENDER_KINDS).extract(['aave_v3', 'balancer_v2']),
  address: AnyAddress,
})

/** `config/chains/NAME.yaml`: all that is known of a chain before its node is asked. */
export const ChainProfileSchema = z.strictObject({
  version: z.literal(1),
  chainId: z.int().min(1),
  name: z.string().regex(/^[a-z0-9-]+$/, 'want lower-case letters, digits and hyphens'),
  /** Symbol of the wrapped native token, one of `tokens`. */
  wrappedNative: z.string(),
  /** Symbols of the tokens that cycles begin and end with, the most wanted first. */
  bases: z.array(z.string()).min(1),
  /** The allow list: pools between any two of these are looked for, and no others. */
  tokens: z.record(z.string(), z.strictObject({ address: AnyAddress, decimals: z.int().min(0).max(36) })),
  factories: z.array(FactorySchema),
  lenders: z.array(ProfileLenderSchema),
  finalityBlocks: z.int().min(0),
  l1Fee: z.enum(['none', 'op_stack']),
  submit: z.enum(['public', 'private']).default('public'),
})
export type ChainProfile = z.output<typeof ChainProfileSchema>

const PROFILE: FileKind<typeof ChainProfileSchema> = {
  schema: ChainProfileSchema,
  noun: 'the chain profile',
  missing: 'Name a folder of chain profiles with --chains-dir, or leave it out for config/chains.',
  remedy: 'Correct the lines named; config/chains/mainnet.yaml in the repository is a working example.',
  more: (value, lineOf) => symbolFaults(value, lineOf).concat(factoryFaults(value, lineOf)),
}

export const readProfile = (file: string): ChainProfile => readYaml(file, PROFILE)

/**
 * The profile of a chain in a folder of `*.yaml`.
 * @throws FleetError `config_invalid` when there is none, when two claim the chain, or when any file has faults
 */
export function profileOf(chainId: number, folder: string): ChainProfile {
  const found = profilesIn(folder).filter(({ profile }) => profile.chainId === chainId)
  const [first, second] = found
  if (first && second)
    throw new FleetError('config_invalid', `${first.file} and ${second.file} are both of chain ${chainId}`, {
      remedy: 'Remove one of them, or give it the chain id that it is meant for.',
    })
  if (first) return first.profile
  throw new FleetError('config_invalid', `there is no profile of chain ${chainId} in ${folder}`, {
    remedy: `Add ${path.join(folder, 'NAME.yaml')} after the example of mainnet.yaml: tokens, factories and lenders of chain ${chainId}; or name another folder with --chains-dir.`,
  })
}

function profilesIn(folder: string): { file: string; profile: ChainProfile }[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (cause) {
    throw new FleetError('config_invalid', `the folder of chain profiles ${folder} cannot be read`, {
      remedy: PROFILE.missing,
      cause,
    })
  }
  const files = names.filter((name) => /\.ya?ml$/.test(name)).sort()
  return files.map((name) => {
    const file = path.join(folder, name)
    return { file, profile: readProfile(file) }
  })
}

export const tokensOf = ({ tokens }: ChainProfile): TokenInfo[] =>
  Object.entries(tokens).map(([symbol, token]) => ({ symbol, ...token }))

type LineOf = (path: readonly PropertyKey[]) => number
type Loose = { tokens?: Record<string, { address?: unknown }>; wrappedNative?: unknown; bases?: unknown[] } | null

/** Symbols that no token has, and addresses that two tokens share. */
function symbolFaults(value: unknown, lineOf: LineOf): Fault[] {
  const { tokens, wrappedNative, bases } = (value as Loose) ?? {}
  if (typeof tokens !== 'object' || tokens === null) return []
  const named: [unknown, PropertyKey[]][] = [[wrappedNative, ['wrappedNative']]]
  if (Array.isArray(bases)) bases.forEach((base, i) => void named.push([base, ['bases', i]]))
  const faults = named
    .filter(([symbol]) => typeof symbol === 'string' && !Object.hasOwn(tokens, symbol))
    .map(([symbol, at]) => ({
      line: lineOf(at),
      text: `${at.join('.')}: ${symbol} is not one of tokens; add it there`,
    }))
  const seen = new Map<string, string>()
  for (const [symbol, token] of Object.entries(tokens)) {
    const at = String(token?.address).toLowerCase()
    const other = seen.get(at)
    if (other)
      faults.push({ line: lineOf(['tokens', symbol]), text: `tokens.${symbol}: the address is that of ${other}` })
    seen.set(at, symbol)
  }
  return faults
}

/** The fee rule that a factory of each kind needs. */
function factoryFaults(value: unknown, lineOf: LineOf): Fault[] {
  const { factories } =
    (value as { factories?: { kind?: unknown; feePips?: unknown; feeTiers?: unknown }[] } | null) ?? {}
  if (!Array.isArray(factories)) return []
  return factories.flatMap((factory, i) => {
    const wants = factory?.kind === 'v2' ? 'feePips' : 'feeTiers'
    if (typeof factory !== 'object' || factory === null || factory[wants] !== undefined) return []
    const text = `factories.${i}: a ${factory.kind} factory needs ${wants}, its fee rule`
    return [{ line: lineOf(['factories', i]), text }]
  })
}
