import { abiWord, word } from '../../agent/dex/chain-types.ts'
import { lookUpPools } from '../../agent/dex/discovery/lookup.ts'
import { hasCode, liesRight } from '../../agent/dex/discovery/origin.ts'
import { aaveRounding } from '../../agent/dex/lending/aave-rounding.ts'
import { selector } from '../../agent/dex/pools/lens.ts'
import { openRpc, type Rpc } from '../../agent/dex/rpc.ts'
import { codeHash } from '../../agent/dex/trade/code-hash.ts'
import { REHEARSAL_ADDRESS } from '../../agent/dex/trade/rehearsal.ts'
import { readHead } from '../../agent/dex/trade/send.ts'
import { type Artefacts, loadArtefacts } from '../../agent/sandbox/artefacts.ts'
import { hashCode } from '../../agent/sandbox/code-hashes.ts'
import { type ChainProfile, profileOf, tokensOf } from '../fleet/chain-profile.ts'
import type { ChainInfo, PoolInfo } from '../protocol/chain.ts'
import { FleetError } from '../protocol/errors.ts'
import { now } from '../protocol/schemas.ts'
import type { Lender } from '../protocol/trade.ts'
import type { Address, Hex } from '../protocol/units.ts'
import type { ChainChoice } from './chain-choice.ts'

export interface MarketQuestion {
  profile: ChainProfile
  /** Of `--executor-address`; undefined: there is none, and dry runs rehearse with the code alone. */
  executor: Address | undefined
  /** Transactions go to a private RPC, whatever the profile says. */
  privately: boolean
}

/**
 * A chain as shared memory describes it: what its profile says, proved on the node, and the pools that the profile's
 * factories have made of its tokens. The code that is found now at pools, tokens and lenders is what counts as known.
 *
 * @throws FleetError `config_invalid` when the node has other or no code where the profile or the executor should be,
 *   `chain_unreachable`
 */
export async function readMarket(rpc: Rpc, { profile, executor, privately }: MarketQuestion): Promise<ChainInfo> {
  await proveProfile(rpc, profile)
  const tokens = tokensOf(profile)
  const addressOf = (symbol: string): Address => (profile.tokens[symbol] as { address: Address }).address
  const { hash, number } = await readHead(rpc)
  const found = await lookUpPools(
    rpc,
    profile.factories,
    tokens.map((token) => token.address),
    hash,
  )
  const lenders = await Promise.all(
    profile.lenders.map((lender) => lenderOf(rpc, lender, profile.bases.map(addressOf))),
  )
  const pools = await ofKnownCode(rpc, profile, found)
  return {
    chainInstance: String(profile.chainId),
    chainId: profile.chainId,
    sandbox: false,
    url: null,
    weth: addressOf(profile.wrappedNative),
    bases: profile.bases.map(addressOf),
    l1Fee: profile.l1Fee,
    finalityBlocks: profile.finalityBlocks,
    submit: privately ? 'private' : 'public',
    tokens,
    pools,
    poolSource: { factories: profile.factories, fromBlock: Number(number) },
    lenders,
    executor: await executorOf(rpc, executor),
    codeHashes: await codeHashesOf(rpc, profile, { pools, lenders }),
    seed: null,
    at: now(),
  }
}

/** `readMarket` of a node that was chosen; undefined for the sandbox, which tells of itself. */
export async function marketOf(
  { chainId, url }: ChainChoice,
  { chainsDir, executor, privately }: { chainsDir: string } & Omit<MarketQuestion, 'profile'>,
): Promise<ChainInfo | undefined> {
  if (url === null) return undefined
  const profile = profileOf(chainId, chainsDir)
  const rpc = await openRpc(url)
  try {
    return await readMarket(rpc, { profile, executor, privately })
  } finally {
    rpc.close()
  }
}

/** One line for the events. */
export function describeMarket({ pools, tokens, lenders, executor }: ChainInfo, name: string): string {
  const dexes = new Set(pools.map((pool) => pool.dex)).size
  const contract =
    executor?.code === undefined ? `contract ${executor?.address}` : 'no contract: dry runs rehearse with its code'
  return `${name}: ${pools.length} pools of ${dexes} venues between ${tokens.length} tokens, ${lenders.length} lenders, ${contract}`
}

/** Everything that a profile names, as text and address. */
export function contractsOf(profile: ChainProfile): { what: string; address: Address }[] {
  return [
    ...tokensOf(profile).map(({ symbol, address }) => ({ what: symbol, address })),
    ...profile.factories.map(({ dex, address }) => ({ what: `the factory of ${dex}`, address })),
    ...profile.factories.flatMap(({ dex, poolDeployer }) =>
      poolDeployer ? [{ what: `the deployer of ${dex}'s pools`, address: poolDeployer }] : [],
    ),
    ...profile.lenders.map(({ kind, address }) => ({ what: `the lender ${kind}`, address })),
  ]
}

/** @throws FleetError `config_invalid` naming every address without code, and every token of other decimals */
export async function proveProfile(rpc: Rpc, profile: ChainProfile): Promise<void> {
  const codes = await Promise.all(
    contractsOf(profile).map(async (named) => ({ ...named, code: await codeAt(rpc, named.address) })),
  )
  const empty = codes.filter(({ code }) => code === '0x').map(({ what, address }) => `${what} ${address}`)
  if (empty.length > 0) throw unlike(profile, `there is no code at ${empty.join(', ')}`)
  const decimals = await Promise.all(
    tokensOf(profile).map(async (token) => ({
      ...token,
      is: Number(word(await call(rpc, token.address, DECIMALS), 0)),
    })),
  )
  const other = decimals.filter((token) => token.is !== token.decimals)
  if (other.length > 0)
    throw unlike(
      profile,
      other.map((t) => `${t.symbol} ${t.address} has ${t.is} decimals, not ${t.decimals}`).join(', '),
    )
}

/** @throws FleetError `config_invalid` when what is there is not the ArbExecutor of this build */
export async function proveExecutor(rpc: Rpc, address: Address, artefacts: Artefacts = loadArtefacts()): Promise<void> {
  const code = await codeAt(rpc, address)
  if (artefacts.isCodeOf('ArbExecutor', code)) return
  const what = code === '0x' ? 'there is no contract' : 'the contract has other code than the ArbExecutor of this build'
  throw new FleetError('config_invalid', `${what} at --executor-address ${address}`, {
    remedy: 'Deploy one with arbdeck deploy-executor, and name the address that it prints.',
  })
}

const DECIMALS = selector('decimals()')
const FLASHLOAN_PREMIUM_TOTAL = selector('FLASHLOAN_PREMIUM_TOTAL()')
const FEES_COLLECTOR = selector('getProtocolFeesCollector()')
const FLASH_LOAN_FEE = selector('getFlashLoanFeePercentage()')
/** Balancer counts a fee in 1e18ths; so much of it is a basis point. */
const ONE_BPS = 10n ** 14n

const codeAt = (rpc: Rpc, address: Address): Promise<Hex> => rpc.request<Hex>('eth_getCode', [address, 'latest'])
const call = (rpc: Rpc, to: Address, data: Hex): Promise<Hex> => rpc.request<Hex>('eth_call', [{ to, data }, 'latest'])

async function lenderOf(
  rpc: Rpc,
  { kind, address }: ChainProfile['lenders'][number],
  bases: readonly Address[],
): Promise<Lender> {
  if (kind === 'aave_v3') {
    const premiumBps = Number(word(await call(rpc, address, FLASHLOAN_PREMIUM_TOTAL), 0))
    const rounding = await aaveRounding(rpc, address, premiumBps, bases)
    return { kind, address, premiumBps, ...(rounding && { rounding }) }
  }
  const collector = word(await call(rpc, address, FEES_COLLECTOR), 0)
  const fee = word(await call(rpc, `0x${abiWord(collector).slice(24)}`, FLASH_LOAN_FEE), 0)
  return { kind, address, premiumBps: Number((fee + ONE_BPS - 1n) / ONE_BPS) }
}

async function executorOf(rpc: Rpc, address: Address | undefined): Promise<ChainInfo['executor']> {
  const artefacts = loadArtefacts()
  const codeHash = artefacts.codeHash('ArbExecutor')
  if (address === undefined) return { address: REHEARSAL_ADDRESS, codeHash, code: artefacts.runtime('ArbExecutor') }
  await proveExecutor(rpc, address, artefacts)
  return { address, codeHash }
}

/** Without the pools of a factory whose place or code is not what the profile says of its pools. */
async function ofKnownCode(rpc: Rpc, profile: ChainProfile, pools: readonly PoolInfo[]): Promise<PoolInfo[]> {
  const makers = new Map(profile.factories.map((factory) => [factory.dex, factory]))
  const fits = await Promise.all(
    pools.map(async (pool) => {
      const maker = makers.get(pool.dex)
      if (!maker) return true
      if (!liesRight(pool, maker)) return false
      return maker.poolCodeHash === undefined || hasCode(pool, maker, await codeHash(rpc, pool.address))
    }),
  )
  return pools.filter((_, i) => fits[i])
}

function codeHashesOf(
  rpc: Rpc,
  profile: ChainProfile,
  { pools, lenders }: Pick<ChainInfo, 'pools' | 'lenders'>,
): Promise<ChainInfo['codeHashes']> {
  const ofKind = (kind: PoolInfo['kind']) => pools.filter((pool) => pool.kind === kind).map((pool) => pool.address)
  const lending = (kind: Lender['kind']) => lenders.filter((each) => each.kind === kind).map((each) => each.address)
  return hashCode(rpc, {
    token: tokensOf(profile).map(({ address }) => address),
    v2_pair: ofKind('v2'),
    v3_pool: ofKind('v3'),
    // Of no matter how many pools: it holds those that come, too.
    v4_manager: profile.factories.filter(({ kind }) => kind === 'v4').map(({ address }) => address),
    aave_v3_pool: lending('aave_v3'),
    balancer_v2_pool: lending('balancer_v2'),
  })
}

const unlike = (profile: ChainProfile, what: string): FleetError =>
  new FleetError('config_invalid', `the node is not like the profile ${profile.name}: ${what}`, {
    remedy: 'Check that the node has caught up, and that the profile is of this chain; see arbdeck check --chain URL.',
  })
