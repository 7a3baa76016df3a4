import { Interface, toQuantity } from 'ethers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { word } from '../../../agent/dex/chain-types.ts'
import { contractOf, refOfHop } from '../../../agent/dex/pools/table.ts'
import { sqrtPriceAtTick, tickAtSqrtPrice } from '../../../agent/dex/pools/v3-math/tick-math.ts'
import { v4PoolId } from '../../../agent/dex/pools/v4.ts'
import { decodeExecuted, encodeExecute } from '../../../agent/dex/trade/build.ts'
import { codeHash } from '../../../agent/dex/trade/code-hash.ts'
import { type Bot, startBot } from '../../../agent/market/bot.ts'
import { isKnown, suspects } from '../../../agent/roles/code-indexer.ts'
import type { DeployedPool } from '../../../agent/sandbox/deploy-pools.ts'
import { MARKET_MAKER } from '../../../agent/sandbox/deployer.ts'
import { executorKey, keyAddress } from '../../../agent/sandbox/keys.ts'
import { profileOf } from '../../../src/fleet/chain-profile.ts'
import { marketOf } from '../../../src/launch/chain-market.ts'
import type { TaskBus } from '../../../src/ports/bus/bus.ts'
import { openBus } from '../../../src/ports/bus/open.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { type ChainInfo, ChainInfoSchema } from '../../../src/protocol/chain.ts'
import { ServiceRecordSchema } from '../../../src/protocol/fleet.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { RiskSchema } from '../../../src/protocol/limits.ts'
import { type Opportunity, OpportunitySchema, type PoolId, type TradePlan } from '../../../src/protocol/trade.ts'
import { type Address, type Hex, sqrtPriceX96, wei } from '../../../src/protocol/units.ts'
import { LIMITS, until } from '../../fixtures/agents.ts'
import type { Receipt } from '../../fixtures/market.ts'
import { type RealChain, startRealChain } from '../../fixtures/real-chain.ts'
import { searchThread } from '../../fixtures/search-thread.ts'

const EXECUTOR = keyAddress(executorKey('sandbox', 1))
const KEY = '(address,address,uint24,int24,address)'
const CALLS = new Interface([
  'function createPool(address,address,uint24)',
  'function createPair(address,address)',
  'function getPool(address,address,uint24) view returns (address)',
  'function getPair(address,address) view returns (address)',
  'function initialize(uint160)',
  `function initialize(${KEY},uint160)`,
  `function fillMarket(address,${KEY},(int24,int24,int256,bytes32)[])`,
  'function fillPool(address,int24,int24,uint128)',
  'function fillPair(address,uint256,uint256)',
])

let chain: RealChain
let memory: SharedMemory
let bus: TaskBus
let bot: Bot
/** Made when the market had been read, and the bot had not begun. */
let early: Address
const lines: string[] = []

/** A fleet's bot, on a node of a chain that is not ours: all it knows is what `up` writes of it. */
beforeAll(async () => {
  const threadEntry = await searchThread()
  chain = await startRealChain('test-new-pools', 1)
  ;[memory, bus] = [await openMemory('embedded:', { fleet: 't' }), await openBus('embedded:', { fleet: 't' })]
  await chain.rpc.request('anvil_impersonateAccount', [EXECUTOR])
  await chain.rpc.request('anvil_setBalance', [EXECUTOR, toQuantity(10n ** 20n)])
  const node = { name: 'ws://node', chainId: 1, url: chain.url }
  const executor = chain.market.executor.address
  await memory.write(keys.chain, await marketOf(node, { chainsDir: chain.chainsDir, executor, privately: false }))
  early = await newPool(['WETH', 'LINK'], 10_000, { dearBy: -600, spacing: 200 })
  for (let block = 0; block < 12; block++) await chain.rpc.request('evm_mine')
  bot = startBot({
    ...{ memory, bus, threadEntry, id: 'bot-new-pools', rpcUrl: async () => chain.url, rpcTimeoutMs: 5_000 },
    spec: { planBlocks: 8, minProfitWei: wei(10n ** 13n), limits: LIMITS, risk: RiskSchema.parse({}) },
    chain: described,
    log: (level, text) => lines.push(`${level} ${text}`),
  })
  await until('the bot is healthy', async () => {
    return (await readAs(memory, keys.service('bot'), ServiceRecordSchema))?.value.state === 'healthy'
  })
}, 30_000)
afterAll(async () => {
  await bot?.stop()
  await Promise.all([memory?.close(), bus?.close()])
  await chain?.stop()
})

const described = async (): Promise<ChainInfo> =>
  (await readAs(memory, keys.chain, ChainInfoSchema))?.value as ChainInfo

async function send(from: Address, to: Address, data: string): Promise<Receipt> {
  const fees = { gas: toQuantity(8_000_000), maxFeePerGas: '0x2540be400', maxPriorityFeePerGas: '0x1' }
  const hash = await chain.rpc.request<Hex>('eth_sendTransaction', [{ from, to, data, ...fees }])
  await chain.rpc.request('evm_mine')
  const receipt = await chain.rpc.request<Receipt>('eth_getTransactionReceipt', [hash])
  expect(receipt.status).toBe('0x1')
  return receipt
}
const call = (name: string, ...args: unknown[]): string => CALLS.encodeFunctionData(name, args)
const token = (symbol: string): Address =>
  chain.market.tokens.find((each) => each.symbol === symbol)?.address as Address
const factory = (dex: string): Address =>
  profileOf(1, chain.chainsDir).factories.find((each) => each.dex === dex)?.address as Address

async function made(dex: string, name: string, ...args: unknown[]): Promise<Address> {
  const answer = await chain.rpc.request<Hex>('eth_call', [{ to: factory(dex), data: call(name, ...args) }, 'latest'])
  return `0x${word(answer, 0).toString(16).padStart(40, '0')}`
}

/** The price at which the pools of two tokens agree. */
function fair(one: Address, other: Address): bigint {
  const is = ({ info }: DeployedPool) => [info.token0, info.token1].every((each) => each === one || each === other)
  return (chain.market.deployed.find(is) as DeployedPool).fairSqrtPriceX96
}

/** Mines until an opportunity goes through a pool. */
async function foundOver(pool: PoolId): Promise<Opportunity> {
  for (let turn = 0; turn < 40; turn++) {
    const all = await streamAs(memory, streams.opportunities, OpportunitySchema, { last: 1_000 })
    const over = all.map(({ value }) => value).filter(({ hops }) => hops.some((hop) => hop.pool === pool))
    const newest = over.at(-1)
    if (newest) return newest
    await chain.rpc.request('evm_mine')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`nothing was found over ${pool}: ${lines.slice(-5).join(' | ')}`)
}

/** The trade is accepted by the code rule, and earns on the chain what was predicted, to the wei. */
async function tradedOver(pool: PoolId, contract: Hex = pool): Promise<void> {
  const found = await foundOver(pool)
  const now = await described()
  expect(now.pools.find(({ address }) => address === pool)).toMatchObject({ createdBlock: expect.any(Number) })
  for (const { address, code } of suspects(found))
    expect(isKnown(now, code, await codeHash(chain.rpc, address)), `${code} ${address}`).toBe(true)
  const plan: TradePlan = {
    ...found,
    ...{ opportunityId: found.id, attempt: 1, riskScore: 0, minProfitRaw: found.profitRaw },
    ...{ expectedProfitRaw: found.profitRaw, expectedProfitWei: found.profitWei },
  }
  const receipt = await send(EXECUTOR, chain.market.executor.address, encodeExecute(plan, found.block + 1_000))
  expect(decodeExecuted(receipt.logs, chain.market.executor.address)?.profitRaw).toBe(found.profitRaw)
  expect(found.hops.map((hop) => contractOf(refOfHop(hop)))).toContain(contract)
}

/** A V3 pool with liquidity around a price that is so many ticks off the fair one. */
async function newPool(
  [one, other]: [string, string],
  fee: number,
  { dearBy, spacing }: { dearBy: number; spacing: number },
): Promise<Address> {
  const tokens = [token(one), token(other)] as const
  await send(MARKET_MAKER, factory('uniswap_v3'), call('createPool', ...tokens, fee))
  const pool = await made('uniswap_v3', 'getPool', ...tokens, fee)
  const tick = tickAtSqrtPrice(sqrtPriceX96(fair(...tokens))) + dearBy
  await send(MARKET_MAKER, pool, call('initialize(uint160)', sqrtPriceAtTick(tick)))
  const lower = Math.floor((tick - 1_000) / spacing) * spacing
  await send(MARKET_MAKER, chain.market.desk, call('fillPool', pool, lower, lower + 2_000, 10n ** 22n))
  return pool
}

test('a pool that was made between the reading of the market and the bot’s start is not missed', async () => {
  await tradedOver(early)
}, 30_000)

test('a V4 pool of a manager that is known is followed and traded over, whatever its fee', async () => {
  const { manager } = chain.market.pools.find(({ kind }) => kind === 'v4') as { manager: Address }
  const [token0, token1] = [token('WETH'), token('DAI')].sort() as [Address, Address]
  const key = [token0, token1, 777, 10, '0x0000000000000000000000000000000000000000']
  const tick = tickAtSqrtPrice(sqrtPriceX96(fair(token0, token1))) - 500
  await send(MARKET_MAKER, manager, call(`initialize(${KEY},uint160)`, key, sqrtPriceAtTick(tick)))
  const lower = Math.floor((tick - 1_000) / 10) * 10
  const position = [lower, lower + 2_000, 10n ** 22n, `0x${'00'.repeat(32)}`]
  await send(MARKET_MAKER, chain.market.desk, call('fillMarket', manager, key, [position]))
  await tradedOver(v4PoolId({ token0, token1, feePips: 777, tickSpacing: 10 }), manager)
}, 30_000)

test('a V3 pool that is made while the bot runs is proved by its factory, followed, and traded over', async () => {
  const before = await described()
  const pool = await newPool(['WETH', 'DAI'], 500, { dearBy: 400, spacing: 10 })
  expect(before.codeHashes.v3_pool).not.toContain(await codeHash(chain.rpc, pool))
  await tradedOver(pool)
}, 30_000)

test('so is a pair, whose code every pair of its factory has, and one of tokens that nobody listed is not', async () => {
  const [dai, link] = [token('DAI'), token('LINK')]
  await send(MARKET_MAKER, factory('sushi_v2'), call('createPair', dai, link))
  const pair = await made('sushi_v2', 'getPair', dai, link)
  await send(MARKET_MAKER, factory('sushi_v2'), call('createPair', dai, chain.market.desk))
  const stranger = await made('sushi_v2', 'getPair', dai, chain.market.desk)
  const dollars = (symbol: string) =>
    chain.market.deployed.flatMap(({ tokens }) => [...tokens]).find((each) => each.symbol === symbol)?.dollars as number
  const amounts: Record<Address, bigint> = {
    [dai]: 200_000n * 10n ** 18n,
    [link]: BigInt(Math.round((190_000 / dollars('LINK')) * dollars('DAI'))) * 10n ** 18n,
  }
  const [token0, token1] = [dai, link].sort() as [Address, Address]
  await send(MARKET_MAKER, chain.market.desk, call('fillPair', pair, amounts[token0], amounts[token1]))
  await tradedOver(pair)
  expect((await described()).pools.map(({ address }) => address)).not.toContain(stranger)
}, 30_000)
