import { abiWord, word } from '../../agent/dex/chain-types.ts'
import { selector } from '../../agent/dex/pools/lens.ts'
import { openRpc, type Rpc } from '../../agent/dex/rpc.ts'
import { readAccount } from '../../agent/dex/trade/send.ts'
import { coin } from '../cli/text.ts'
import { type ChainProfile, tokensOf } from '../fleet/chain-profile.ts'
import { FleetError } from '../protocol/errors.ts'
import type { Limits } from '../protocol/limits.ts'
import { type Address, type Hex, wei } from '../protocol/units.ts'
import type { ChainChoice } from './chain-choice.ts'
import { proveExecutor, proveProfile } from './chain-market.ts'

export interface HotKey {
  address: Address
  balanceWei: bigint
  /** The contract lets it execute. */
  allowed: boolean
}

/** What --live rests on, read from the node just now. The contract's code and the profile are proved before. */
export interface LiveFacts {
  chain: Pick<ChainChoice, 'name' | 'chainId'>
  profile: Pick<ChainProfile, 'name' | 'tokens' | 'wrappedNative'>
  limits: Limits
  executor: Address
  owner: Address
  keys: readonly HotKey[]
}

export interface LiveInputs {
  chain: ChainChoice
  profile: ChainProfile
  limits: Limits
  executor: Address
  keys: readonly Address[]
}

const IS_EXECUTOR = selector('isExecutor(address)')
const OWNER = selector('owner()')

/**
 * Everything that must hold before a key may sign on a real chain.
 * @returns what the fleet will risk, a line each
 * @throws FleetError `config_invalid` for the first thing that does not hold, `chain_unreachable`
 */
export async function approveLive(inputs: LiveInputs): Promise<string[]> {
  refuseLimits(inputs.limits, inputs.chain.chainId)
  const rpc = await openRpc(inputs.chain.url ?? '', { timeoutMs: 10_000 })
  try {
    await proveProfile(rpc, inputs.profile)
    await proveExecutor(rpc, inputs.executor)
    const facts = await readFacts(rpc, inputs)
    refuseKeys(facts)
    return riskOf(facts)
  } finally {
    rpc.close()
  }
}

async function readFacts(rpc: Rpc, { chain, profile, limits, executor, keys }: LiveInputs): Promise<LiveFacts> {
  const ask = (data: string): Promise<Hex> => rpc.request<Hex>('eth_call', [{ to: executor, data }, 'latest'])
  const read = async (address: Address): Promise<HotKey> => {
    const [{ balanceWei }, allowed] = await Promise.all([
      readAccount(rpc, address),
      ask(IS_EXECUTOR + abiWord(BigInt(address))),
    ])
    return { address, balanceWei, allowed: word(allowed, 0) === 1n }
  }
  const [owner, ...hot] = await Promise.all([ask(OWNER), ...keys.map(read)])
  return { chain, profile, limits, executor, owner: `0x${owner.slice(-40)}`, keys: hot }
}

/** Limits that were set for another chain, or for none, were not set on purpose. @throws FleetError `config_invalid` */
export function refuseLimits({ setForChain }: Limits, chainId: number): void {
  if (setForChain === chainId) return
  const what = setForChain === undefined ? 'for no chain' : `for chain ${setForChain}`
  throw new FleetError('config_invalid', `the limits of the manifest are set ${what}, not for chain ${chainId}`, {
    remedy: `Set every limit to what you are ready to lose, then write setForChain: ${chainId} under limits: in the manifest.`,
  })
}

/** What one trade's gas may cost at the ceiling. */
export const gasCeilingWei = ({ maxGasPerTrade, maxFeePerGasWei }: Limits): bigint => maxGasPerTrade * maxFeePerGasWei

/** @throws FleetError `config_invalid` naming every key that may not execute, or that cannot pay for a trade */
export function refuseKeys({ keys, executor, limits }: Pick<LiveFacts, 'keys' | 'executor' | 'limits'>): void {
  const strangers = keys.filter((key) => !key.allowed).map((key) => key.address)
  if (strangers.length > 0)
    throw new FleetError(
      'config_invalid',
      `the contract ${executor} does not know ${strangers.join(', ')} as executors`,
      {
        remedy: 'Let its owner call setExecutor(address, true) for each, or take their keys out of the key file.',
      },
    )
  const least = gasCeilingWei(limits)
  const poor = keys.filter((key) => key.balanceWei < least).map((key) => `${key.address} has ${coin(key.balanceWei)}`)
  if (poor.length > 0)
    throw new FleetError(
      'config_invalid',
      `${poor.join(', ')}; one trade's gas may cost ${coin(least)} at the limits (${limits.maxGasPerTrade} gas at ${limits.maxFeePerGasWei} wei)`,
      { remedy: 'Fund the keys, or lower maxGasPerTrade or maxFeePerGasWei of the manifest.' },
    )
}

/** What a fleet that is let loose may cost, for a person to read before it starts. */
export function riskOf({ chain, profile, limits, executor, owner, keys }: LiveFacts): string[] {
  const tokens = tokensOf(profile as ChainProfile)
  const loan = (symbol: string, most: Pick<Limits, 'maxInputRawPerTrade' | 'maxInputRawPerHour'>): string => {
    const token = tokens.find((each) => each.symbol === symbol || each.address === symbol.toLowerCase())
    const amount = (raw: bigint) => `${token ? decimal(raw, token.decimals) : raw} ${token?.symbol ?? symbol}`
    return `loans of ${amount(most.maxInputRawPerTrade)} a trade, ${amount(most.maxInputRawPerHour)} an hour and executor`
  }
  const balance = keys.reduce((sum, key) => sum + key.balanceWei, 0n)
  const gas = `${coin(gasCeilingWei(limits))} of gas (${limits.maxGasPerTrade} gas at ${limits.maxFeePerGasWei} wei)`
  return [
    `LIVE on ${profile.name}, chain ${chain.chainId}, through ${chain.name}: transactions are signed and sent`,
    `contract ${executor}, our code, owner ${owner}${keys.some((key) => key.address === owner) ? ' (WARNING: one of the hot keys)' : ''}`,
    ...keys.map((key) => `key ${key.address} holds ${coin(key.balanceWei)}`),
    `a trade that fails costs at most ${gas}: flash loans that are not paid back never happened`,
    `at most ${loan(profile.wrappedNative, limits)}`,
    ...Object.entries(limits.tokens).map(([symbol, most]) => `at most ${loan(symbol, most)}`),
    `an executor stops for the day (UTC) at a loss of ${coin(limits.maxLossWeiPerDay)}, and after ${limits.maxFailuresInARow} failures in a row until resume`,
    `all that the keys hold, ${coin(wei(balance))}, is at risk for as long as the fleet runs; arbdeck halt stops it`,
  ]
}

/** A raw amount as a decimal number, exact. */
function decimal(amount: bigint, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, '0')
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '')
  return `${digits.slice(0, digits.length - decimals)}${fraction ? `.${fraction}` : ''}`
}
