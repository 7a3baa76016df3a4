import { type ChainProfile, tokensOf } from '../fleet/chain-profile.ts'
import type { TokenInfo } from '../protocol/chain.ts'
import type { Cap, Deployment, DeployOrder } from '../protocol/deployment.ts'
import { FleetError } from '../protocol/errors.ts'
import type { Limits } from '../protocol/limits.ts'
import { nearest } from '../protocol/nearest.ts'
import { type Address, raw } from '../protocol/units.ts'

export interface DeployPlan {
  owner: Address
  executors: readonly Address[]
  caps: Deployment['caps']
  warnings: string[]
}

/**
 * What is put into the constructor.
 * @param keys addresses of the key file; the first pays
 * @throws FleetError `usage` for what cannot be meant
 */
export function planDeployment(
  order: DeployOrder,
  { profile, limits, keys }: { profile: ChainProfile; limits: Limits; keys: readonly Address[] },
): DeployPlan {
  const executors = [...new Set(order.executors ?? keys)]
  if (executors.length === 0)
    throw wrong('nobody would be allowed to execute', 'Name a --key-file, or the addresses with --executors 0x…,0x….')
  if (/^0x0{40}$/.test(order.owner)) throw wrong('the owner cannot be address 0', 'Name an address whose key you hold.')
  const hot = [...executors, ...keys].includes(order.owner)
  if (hot && !order.hotOwner)
    throw wrong(
      `the owner ${order.owner} is a hot key: whoever gets hold of it takes what the contract earned`,
      'Name an owner whose key is kept away from this machine, or say --hot-owner if it must be so.',
    )
  const tokens = tokensOf(profile)
  const caps = order.caps.length > 0 ? capsOf(order.caps, tokens) : capsOfLimits(limits, profile, tokens)
  const capped = new Set(caps.map((cap) => cap.symbol))
  const idle = profile.bases.filter((base) => !capped.has(base))
  return {
    owner: order.owner,
    executors,
    caps,
    warnings: [
      ...(hot ? [`the owner ${order.owner} is a hot key`] : []),
      ...(idle.length > 0 ? [`no cap for ${idle.join(', ')}: the contract refuses trades that begin with it`] : []),
    ],
  }
}

function capsOf(given: readonly Cap[], tokens: readonly TokenInfo[]): DeployPlan['caps'] {
  const caps = given.map(({ token: name, capRaw }) => {
    const token = tokens.find((each) => each.symbol === name || each.address === name.toLowerCase())
    if (token) return { token: token.address, symbol: token.symbol, capRaw: raw(capRaw) }
    const guess = nearest(
      name,
      tokens.map((each) => each.symbol),
    )
    throw wrong(
      `--cap ${name}: the chain profile has no such token`,
      guess
        ? `Did you mean ${guess}?`
        : `It has ${tokens.map((each) => each.symbol).join(', ')}; add others to the profile.`,
    )
  })
  const twice = caps.find((cap, i) => caps.findIndex((other) => other.token === cap.token) !== i)
  if (twice) throw wrong(`--cap names ${twice.symbol} twice`, 'Give one cap a token.')
  return caps
}

/** The limits bind the fleet, the caps bind the contract: the same numbers, unless told. */
function capsOfLimits(limits: Limits, profile: ChainProfile, tokens: readonly TokenInfo[]): DeployPlan['caps'] {
  const named = { [profile.wrappedNative]: { maxInputRawPerTrade: limits.maxInputRawPerTrade }, ...limits.tokens }
  return tokens.flatMap(({ symbol, address }) => {
    const limit = named[symbol] ?? named[address]
    return limit ? [{ token: address, symbol, capRaw: limit.maxInputRawPerTrade }] : []
  })
}

const wrong = (message: string, remedy: string): FleetError => new FleetError('usage', message, { remedy })
