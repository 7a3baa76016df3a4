import { Interface } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeExecute } from '../../../agent/dex/trade/build.ts'
import { MARKET_MAKER } from '../../../agent/sandbox/deployer.ts'
import { pairAddress, poolAddress, poolIdV4 } from '../../../agent/sandbox/pool-names.ts'
import type { Hop, Lender, TradePlan } from '../../../src/protocol/trade.ts'
import { type Address, address, type Hex, raw, wei } from '../../../src/protocol/units.ts'
import { Besieged, failed, OURS } from '../../fixtures/besieged.ts'
import { compileFixture } from '../../fixtures/solidity.ts'

/** Real pools of a token that turns on whoever trades it. The trade is tempting: a tenth is to be earned. */
const TRAPS = [
  ...['NONE', 'FEE_ON_TRANSFER', 'REBASING', 'ONE_WAY', 'SALMONELLA', 'RETURNS_FALSE', 'FALSE_TO_POOLS'],
  ...['RETURNS_NOTHING', 'SILENT_BUT_HONEST'],
] as const
type Trap = (typeof TRAPS)[number]

const THEIRS = new Interface([
  'function factory() view returns (address)',
  'function createPair(address, address)',
  'function createPool(address, address, uint24)',
  'function initialize(uint160)',
  'function initialize((address,address,uint24,int24,address), uint160)',
  'function mint(address)',
  'function fillPool(address, int24, int24, uint128)',
  'function fillMarket(address, (address,address,uint24,int24,address), (int24,int24,int256,bytes32)[])',
])
const ONE = 10n ** 18n
const DEPTH = 1_000n * ONE
const ZERO = address(`0x${'0'.repeat(40)}`)
const Q96 = 2n ** 96n
/** √1.1 as Q64.96. */
const ROOT = (Q96 * 1_048_808_848_170n) / 1_000_000_000_000n
const SPACING = { 500: 10, 3000: 60 } as const

type Place = 'pair' | 'pool' | 'managed'
const face = compileFixture('TrapToken').face
let besieged: Besieged
let trap: Address
/** Where a WETH buys one of it, and where one sells for 1.1 WETH. */
let cheap: Record<Place, Hop>
let dear: Record<Place, Hop>

beforeAll(async () => {
  besieged = await Besieged.start('test-tokens')
  trap = await besieged.deploy('TrapToken')
  cheap = await market(500, false)
  dear = await market(3000, true)
  await told('mint', [besieged.at, 5n * ONE])
})
afterAll(() => besieged?.stop())

const weth = () => besieged.arena.token('WETH')
const told = (name: string, args: readonly unknown[]) =>
  besieged.world.send(besieged.world.stranger, trap, face.encodeFunctionData(name, args))
const send = async (from: Address, to: Address, name: string, args: readonly unknown[]) => {
  const { status } = await besieged.world.send(from, to, THEIRS.encodeFunctionData(name, args), { gas: '0x989680' })
  if (status !== '0x1') throw new Error(`${name} failed`)
}
const sorted = () => [trap, weth()].sort() as [Address, Address]

/** A pair, a pool and a pool of V4 at one price. */
async function market(feePips: 500 | 3000, isDear: boolean): Promise<Record<Place, Hop>> {
  const [token0, token1] = sorted()
  const [tokenIn, tokenOut] = isDear ? [trap, weth()] : [weth(), trap]
  const hop = { dex: 'test', tokenIn, tokenOut, zeroForOne: tokenIn === token0, amountIn: raw(0n), amountOut: raw(0n) }
  const root = !isDear ? Q96 : trap === token0 ? ROOT : (Q96 * Q96) / ROOT
  const tickSpacing = SPACING[feePips]
  const known = (dex: string) => besieged.world.market.pools.find((pool) => pool.dex === dex)
  const { stranger, rpc } = besieged.world
  const factoryOf = async (dex: string) => {
    const data = THEIRS.encodeFunctionData('factory')
    return address(
      `0x${(await rpc.request<Hex>('eth_call', [{ to: known(dex)?.address, data }, 'latest'])).slice(-40)}`,
    )
  }

  const pairs = await factoryOf(isDear ? 'sushi_v2' : 'uniswap_v2')
  const pair = pairAddress(pairs, token0, token1)
  await send(stranger, pairs, 'createPair', [token0, token1])
  await besieged.arena.deal(pair, weth(), isDear ? (DEPTH * 11n) / 10n : DEPTH)
  await told('mint', [pair, DEPTH])
  await send(stranger, pair, 'mint', [stranger])

  await told('mint', [besieged.world.market.desk, 10n * DEPTH])
  const pools = await factoryOf('uniswap_v3')
  const pool = poolAddress(pools, token0, token1, feePips)
  await send(stranger, pools, 'createPool', [token0, token1, feePips])
  await send(stranger, pool, 'initialize(uint160)', [root])
  await send(MARKET_MAKER, besieged.world.market.desk, 'fillPool', [pool, -6_000, 6_000, DEPTH])

  const manager = known('uniswap_v4')?.manager as Address
  const key = [token0, token1, feePips, tickSpacing, ZERO] as const
  await send(stranger, manager, 'initialize((address,address,uint24,int24,address),uint160)', [key, root])
  const position = [-6_000, 6_000, DEPTH, `0x${'0'.repeat(64)}`]
  await send(MARKET_MAKER, besieged.world.market.desk, 'fillMarket', [manager, key, [position]])

  for (const at of [pair, pool, manager]) await told('declarePool', [at])
  return {
    pair: { ...hop, kind: 'v2', pool: pair, feePips: 3_000 },
    pool: { ...hop, kind: 'v3', pool, feePips },
    managed: { ...hop, kind: 'v4', pool: poolIdV4(...key), feePips, v4: { manager, tickSpacing } },
  }
}

let named = 0
function planOf(hops: Hop[], lender: Lender): TradePlan {
  return {
    opportunityId: `0x${(++named).toString(16).padStart(64, '0')}`,
    chainInstance: 'test',
    attempt: 1,
    block: 1,
    token: (hops[0] as Hop).tokenIn,
    lender,
    hops,
    sizeRaw: raw(ONE),
    expectedProfitRaw: raw(0n),
    expectedProfitWei: wei(0n),
    minProfitRaw: raw(0n),
    riskScore: 0,
    expiresBlock: 1_000_000,
  }
}

/** Sets the trap, sends the trade, and takes the chain back. */
function trade(which: Trap, hops: Hop[], lender = besieged.arena.lender('first', hops)) {
  return besieged.arena.undone(async () => {
    await told('set', [TRAPS.indexOf(which)])
    const data = encodeExecute(planOf(hops, lender), 1_000_000)
    const outcome = await besieged.attempt(besieged.world.executor, data)
    await besieged.expectUnharmed(hops.map((hop) => hop.v4?.manager ?? (hop.pool as Address)))
    return outcome
  })
}

const routeOf = (route: string): Hop[] => {
  const [from, to] = route.split(' ') as [Place, Place]
  return [cheap[from], dear[to]]
}

/** Who notices, and what is said. */
const SAID = {
  k: /^UniswapV2: K: /,
  noInput: /^UniswapV2: INSUFFICIENT_INPUT_AMOUNT: /,
  pairFailed: /^UniswapV2: TRANSFER_FAILED: /,
  iia: /^Uniswap V3 IIA: /,
  zero: /^Uniswap V3 AS: /,
  poolFailed: /^Uniswap V3 TF: /,
  notSettled: /^Uniswap V4 CurrencyNotSettled: /,
  zeroManaged: /^Uniswap V4 SwapAmountCannotBeZero: /,
  noWayBack: /^Uniswap V4: 0x[0-9a-f]{40} reverted: no way back$/,
  managerFailed: /^Uniswap V4: 0x[0-9a-f]{40} reverted: reverted with unknown bytes 0x0+$/,
  refused: /^TokenRefused: token 0x[0-9a-f]{40}$/,
} as const
type Said = keyof typeof SAID
/** By route, in the order of these traps. */
const BAD = [
  'FEE_ON_TRANSFER',
  'REBASING',
  'ONE_WAY',
  'SALMONELLA',
  'RETURNS_FALSE',
  'FALSE_TO_POOLS',
  'RETURNS_NOTHING',
] as const
const NOTICED: Readonly<Record<string, readonly Said[]>> = {
  'pair pair': ['k', 'k', 'pairFailed', 'k', 'pairFailed', 'pairFailed', 'noInput'],
  'pair pool': ['iia', 'k', 'pairFailed', 'iia', 'pairFailed', 'pairFailed', 'iia'],
  'pair managed': ['notSettled', 'k', 'pairFailed', 'notSettled', 'pairFailed', 'pairFailed', 'notSettled'],
  'pool pair': ['k', 'noInput', 'poolFailed', 'k', 'poolFailed', 'poolFailed', 'noInput'],
  'pool pool': ['iia', 'refused', 'refused', 'iia', 'poolFailed', 'refused', 'zero'],
  'pool managed': ['notSettled', 'refused', 'refused', 'notSettled', 'poolFailed', 'refused', 'zeroManaged'],
  'managed pair': ['k', 'noInput', 'noWayBack', 'k', 'managerFailed', 'managerFailed', 'noInput'],
  'managed pool': ['iia', 'refused', 'refused', 'iia', 'managerFailed', 'refused', 'zero'],
}

describe.each(Object.entries(NOTICED))('over %s', (route, noticed) => {
  test.each(['NONE', 'SILENT_BUT_HONEST'] as const)('a token whose trap is %s is traded', async (which) => {
    expect(await trade(which, routeOf(route))).toEqual({ said: 'it went through', status: '0x1' })
  })

  test.each(BAD.map((which, at) => [which, noticed[at] as Said] as const))(
    'a token whose trap is %s costs the gas and nothing else: %s',
    async (which, said) => {
      expect(await trade(which, routeOf(route))).toEqual(failed(SAID[said]))
    },
  )
})

describe('as the token of the loan, where the owner allowed it by mistake,', () => {
  const back = (): Hop[] => [dear.pool, cheap.pair]
  test.each([
    ['FEE_ON_TRANSFER', SAID.iia],
    ['SALMONELLA', SAID.iia],
    ['ONE_WAY', SAID.refused],
    ['RETURNS_FALSE', SAID.pairFailed],
    ['RETURNS_NOTHING', SAID.iia],
  ] as const)('a token whose trap is %s takes no capital', async (which, said) => {
    const { owner } = besieged.world
    await besieged.world.send(owner, besieged.at, OURS.encodeFunctionData('setInputCap', [trap, 10n * ONE]))
    for (const lender of ['own', 'first'] as const) {
      expect(await trade(which, back(), besieged.arena.lender(lender, back()))).toEqual(failed(said))
    }
  })
})
