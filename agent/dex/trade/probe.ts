import { AbiCoder, Interface } from 'ethers'
import type { Hop } from '../../../src/protocol/trade.ts'
import { type Address, address, type Hex, type Raw } from '../../../src/protocol/units.ts'
import { abiWord, toHex, word } from '../chain-types.ts'
import { RpcError } from '../rpc/error.ts'
import type { Rpc } from '../rpc.ts'
import { PROBE_CODE } from './probe-code.ts'
import { decodeRevert } from './revert.ts'

/** What a token did when it was bought, sent on to somebody, sent back and sold. */
export interface Probed {
  token: Address
  /** The most that one of these transfers kept, rounded up; also where the sender lost more than he said. */
  taxBps: number
  /** Of that transfer: `bought`, `sent on`, `sent back` or `sold`. */
  where: string
  /** Why it is not to be traded whatever it keeps; null when nothing speaks against it. */
  fault: string | null
}

export interface ProbeRequest {
  /** The route; each token but the first and last is probed. */
  hops: readonly Hop[]
  /** How much goes in, raw units of the first token. */
  amountRaw: Raw
  /** Where ArbExecutor is, or would be: who tokens and pools see. */
  trader: Address
  /** The origin of the transaction. */
  from: Address
  weth: Address | null
  /** Contracts that may hold the first token and are not on the route: one of them pays, where it cannot be wrapped. */
  holders: readonly Address[]
  /** Pins the call. */
  blockHash: Hex
}

/** Nobody: tokens are sent to it and back. */
const FRIEND: Address = '0x00000000000000000000000000000000a6bdec03'
const PLENTY_WEI = 10n ** 27n
const GAS = 15_000_000n
const STAGES = ['lent', 'bought', 'sent on', 'sent back', 'sold'] as const
const MEASURED = STAGES.slice(1)
const KIND: Readonly<Record<Hop['kind'], bigint>> = { v2: 2n, v3: 3n, v4: 4n }

const FACE = new Interface([
  'function probe(address funder, address friend, uint256 amount, address[] tokens, uint256[] hops) payable returns (uint256[])',
  'function balanceOf(address) view returns (uint256)',
  'error Refused(uint256 stage, address token, bytes reason)',
  'error Uneven(uint256 stage, address token, uint256 said, uint256 got)',
])

/**
 * Trades a route in an eth_call with nobody's money, from ArbExecutor's address, and measures what every token on it
 * does: fee on transfer, transfers that only some may make, tokens that can be bought and not sold, that return false, or
 * that change balances by themselves meanwhile. It cannot see what a token will do later, to other addresses, or to other
 * amounts.
 *
 * @returns undefined when the first token could not be come by: the route was not probed
 * @throws RpcError when the node cannot call at that block with state overrides
 */
export async function probeRoute(rpc: Rpc, request: ProbeRequest): Promise<Probed[] | undefined> {
  const { hops, trader, from, amountRaw, weth } = request
  const tokens = [...hops.map((hop) => hop.tokenIn), ...hops.slice(-1).map((hop) => hop.tokenOut)]
  const wrapped = tokens[0] === weth
  const funder = wrapped ? undefined : await richest(rpc, request)
  if (!wrapped && funder === undefined) return undefined
  const args = [funder ?? abiAddress(0n), FRIEND, amountRaw, tokens, hops.map(hopWord)]
  const call = { from, to: trader, data: FACE.encodeFunctionData('probe', args), gas: toHex(GAS) }
  const overrides = {
    [trader]: { code: PROBE_CODE, balance: toHex(PLENTY_WEI) },
    [FRIEND]: { code: PROBE_CODE },
    ...(funder !== undefined && { [funder]: { code: PROBE_CODE } }),
  }
  try {
    const answer = await rpc.request<Hex>('eth_call', [call, { blockHash: request.blockHash }, overrides])
    const [figures] = AbiCoder.defaultAbiCoder().decode(['uint256[]'], answer)
    return tokens.slice(1, -1).map((token, at) => measured(token, (figures as bigint[]).slice(at * 12, at * 12 + 12)))
  } catch (error) {
    if (!(error instanceof RpcError) || typeof error.data !== 'string') throw error
    return stopped(error.data as Hex, tokens[0] as Address)
  }
}

const abiAddress = (value: bigint): Address => `0x${abiWord(value).slice(-40)}`

function hopWord({ pool, kind, feePips, v4 }: Hop): bigint {
  const venue = BigInt(v4?.manager ?? pool)
  return venue | (BigInt(feePips) << 160n) | (KIND[kind] << 184n) | (BigInt(v4?.tickSpacing ?? 0) << 192n)
}

/** Of those who may hold the first token the one that holds most. */
async function richest(rpc: Rpc, { hops, holders, blockHash }: ProbeRequest): Promise<Address | undefined> {
  const to = hops[0]?.tokenIn
  const balances = await Promise.all(
    holders.map(async (holder) => {
      const data = FACE.encodeFunctionData('balanceOf', [holder])
      return { holder, held: word(await rpc.request<Hex>('eth_call', [{ to, data }, { blockHash }]), 0) }
    }),
  )
  const most = balances.filter(({ held }) => held > 1n).sort((a, b) => (b.held > a.held ? 1 : -1))[0]
  return most?.holder
}

/** @param figures of each transfer what was said, what the sender lost, what the receiver got */
function measured(token: Address, figures: readonly bigint[]): Probed {
  const probed: Probed = { token, taxBps: 0, where: 'bought', fault: null }
  for (const [at, where] of MEASURED.entries()) {
    const [said, lost, got] = figures.slice(at * 3, at * 3 + 3) as [bigint, bigint, bigint]
    if (said === 0n) return { ...probed, fault: `nothing is left of it to be ${where}` }
    probed.fault ??= surplus(said, got, where)
    const taxBps = taxOf(said, got, lost)
    if (taxBps > probed.taxBps) Object.assign(probed, { taxBps, where })
  }
  return probed
}

const surplus = (said: bigint, got: bigint, where: string): string | null =>
  got > said ? `${got} arrive where ${said} are ${where}` : null

function taxOf(said: bigint, got: bigint, lost: bigint): number {
  const kept = [said - got, lost - said].reduce((most, each) => (each > most ? each : most), 0n)
  return kept > 0n ? Number((kept * 10_000n + said - 1n) / said) : 0
}

/** The probe came no further. Of the token that stopped it only that much is known; of the others nothing. */
function stopped(data: Hex, base: Address): Probed[] {
  const error = parse(data)
  if (!error) return [{ token: base, taxBps: 0, where: 'bought', fault: `the probe ended: ${decodeRevert(data)}` }]
  const token = address(error.args[1] as string)
  const where = STAGES[Number(error.args[0])] ?? 'traded'
  if (error.name === 'Uneven') {
    const [said, got] = [error.args[2] as bigint, error.args[3] as bigint]
    return [{ token, taxBps: taxOf(said, got, said), where, fault: surplus(said, got, where) }]
  }
  return [{ token, taxBps: 0, where, fault: `it cannot be ${where}: ${decodeRevert(error.args[2] as Hex)}` }]
}

function parse(data: Hex) {
  try {
    return FACE.parseError(data) ?? undefined
  } catch {
    return undefined
  }
}
