import type { ChainInfo } from '../../../src/protocol/chain.ts'
import type { Risk } from '../../../src/protocol/limits.ts'
import type { Inspection, Opportunity } from '../../../src/protocol/trade.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { tokensNamed } from '../../dex/token-names.ts'
import type { Probed } from '../../dex/trade/probe.ts'
import type { Rule } from './judge.ts'

/** What is known without asking the chain. */
export interface RouteFacts {
  route: Pick<Opportunity, 'hops'>
  chain: Pick<ChainInfo, 'tokens' | 'pools'>
  risk: Risk
  /** The newest block. */
  head: number
}

/** Of every contract on the route. */
export interface CodeFacts {
  contracts: Inspection['contracts']
}

/** Of both sides of every pool on the route. */
export interface DepthFacts {
  risk: Risk
  depths: readonly { pool: Hex; worthWei: bigint }[]
}

/** Of every token that the route passes through. */
export interface ProbeFacts {
  chain: Pick<ChainInfo, 'tokens'>
  risk: Risk
  probes: readonly Probed[]
}

/** Before the chain is asked. */
export const ROUTE_RULES: readonly Rule<RouteFacts>[] = [
  { name: 'allowTokens', judge: notAllowed },
  { name: 'denyTokens', judge: denied },
  { name: 'denyPools', judge: deniedPool },
  { name: 'minPoolAgeBlocks', judge: tooYoung },
]

export const CODE_RULES: readonly Rule<CodeFacts>[] = [{ name: 'knownCode', judge: unknownCode }]
export const DEPTH_RULES: readonly Rule<DepthFacts>[] = [{ name: 'minDepthWei', judge: tooShallow }]
export const PROBE_RULES: readonly Rule<ProbeFacts>[] = [
  { name: 'tokenProbe', judge: trapped },
  { name: 'maxTokenTaxBps', judge: taxed },
]

/** A token as an operator knows it: symbol and address. */
export function tokenInWords(address: Address, tokens: ChainInfo['tokens']): string {
  const symbol = tokens.find((token) => token.address === address)?.symbol
  return symbol === undefined ? address : `${symbol} ${address}`
}

const tokensOf = ({ hops }: RouteFacts['route']): Address[] => [...new Set(hops.map((hop) => hop.tokenIn))]

function notAllowed({ route, chain, risk }: RouteFacts): string | null {
  if (risk.allowTokens.length === 0) return null
  const named = risk.allowTokens.map((entry) => ({ entry, means: tokensNamed(entry, chain.tokens) }))
  // Anybody can make another USDC: a symbol allows a token only where it is the only one of that symbol.
  const allowed = new Set(named.flatMap(({ means }) => (means.length === 1 ? means : [])))
  const token = tokensOf(route).find((address) => !allowed.has(address))
  if (token === undefined) return null
  const shared = named.find(({ means }) => means.length > 1 && means.includes(token))
  if (shared) return `${shared.means.length} tokens are called ${shared.entry}: allow ${token} by its address`
  return `token ${tokenInWords(token, chain.tokens)} is not one of the ${risk.allowTokens.length} allowed`
}

function denied({ route, chain, risk }: RouteFacts): string | null {
  for (const entry of risk.denyTokens) {
    const means = tokensNamed(entry, chain.tokens)
    const token = tokensOf(route).find((address) => means.includes(address))
    if (token !== undefined) return `token ${tokenInWords(token, chain.tokens)} is denied as ${entry}`
  }
  return null
}

function deniedPool({ route, risk }: RouteFacts): string | null {
  const deny = new Set(risk.denyPools.map((entry) => entry.toLowerCase()))
  const hop = route.hops.find(({ pool }) => deny.has(pool))
  return hop === undefined ? null : `pool ${hop.pool} of ${hop.dex} is denied`
}

function tooYoung({ route, chain, risk, head }: RouteFacts): string | null {
  if (risk.minPoolAgeBlocks === 0) return null
  for (const { pool } of route.hops) {
    const created = chain.pools.find(({ address }) => address === pool)?.createdBlock
    if (created !== undefined && head - created < risk.minPoolAgeBlocks) {
      return `pool ${pool} is ${head - created} blocks old, less than ${risk.minPoolAgeBlocks}`
    }
  }
  return null
}

function unknownCode({ contracts }: CodeFacts): string | null {
  const unknown = contracts.filter((contract) => !contract.known)
  if (unknown.length === 0) return null
  const which = unknown.map(({ address, kind, note, codeHash }) => `${note ?? kind} ${address} (${codeHash})`)
  return `unknown code: ${which.join(', ')}`
}

function tooShallow({ depths, risk }: DepthFacts): string | null {
  const shallow = depths.find(({ worthWei }) => worthWei < risk.minDepthWei)
  if (!shallow) return null
  return `pool ${shallow.pool} holds the worth of ${shallow.worthWei} wei on one side, below ${risk.minDepthWei}`
}

function trapped({ probes, chain }: ProbeFacts): string | null {
  for (const { token, fault } of probes) {
    if (fault !== null) return `token ${tokenInWords(token, chain.tokens)}: ${fault}`
  }
  return null
}

function taxed({ probes, chain, risk }: ProbeFacts): string | null {
  for (const { token, taxBps, where } of probes) {
    if (taxBps > risk.maxTokenTaxBps) {
      const figures = `keeps ${taxBps.toLocaleString('en')} bps of what is ${where}, above ${risk.maxTokenTaxBps}`
      return `token ${tokenInWords(token, chain.tokens)} ${figures}`
    }
  }
  return null
}
