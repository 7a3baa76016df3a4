import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openChainAccess } from '../../../agent/chain-access.ts'
import { openRpc, type Rpc } from '../../../agent/dex/rpc.ts'
import { decodeProfit, encodeExecute } from '../../../agent/dex/trade/build.ts'
import { readHead } from '../../../agent/dex/trade/send.ts'
import { simulateExecute } from '../../../agent/dex/trade/simulate.ts'
import { type Bot, startBot } from '../../../agent/market/bot.ts'
import { type Instance, startInstance } from '../../../agent/sandbox/instance.ts'
import { executorKey, keyAddress, ownerKey } from '../../../agent/sandbox/keys.ts'
import type { TaskBus } from '../../../src/ports/bus/bus.ts'
import { openBus } from '../../../src/ports/bus/open.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { HeadSchema } from '../../../src/protocol/chain.ts'
import { FleetEventSchema } from '../../../src/protocol/event.ts'
import { ServiceRecordSchema } from '../../../src/protocol/fleet.ts'
import { keys, leases, streams } from '../../../src/protocol/keys.ts'
import { type Opportunity, OpportunitySchema, type TradePlan } from '../../../src/protocol/trade.ts'
import { gasUnits, wei } from '../../../src/protocol/units.ts'
import { LIMITS } from '../../fixtures/agents.ts'
import { searchThread } from '../../fixtures/search-thread.ts'

const EXECUTOR = keyAddress(executorKey('test', 1))
const spec = { planBlocks: 8, minProfitWei: wei(10n ** 13n), limits: LIMITS }

const boot = () =>
  startInstance({
    anvil: { fleet: 'test-bot' },
    seed: 'test',
    owner: keyAddress(ownerKey('test')),
    executors: [EXECUTOR],
  })

let threadEntry: URL
let instance: Instance
let memory: SharedMemory
let bus: TaskBus
let rpc: Rpc
let lines: string[]
let cleanups: (() => unknown)[]

beforeAll(async () => {
  threadEntry = await searchThread()
})
beforeEach(async () => {
  ;[instance, memory, bus] = await Promise.all([
    boot(),
    openMemory('embedded:', { fleet: 't' }),
    openBus('embedded:', { fleet: 't' }),
  ])
  rpc = await openRpc(instance.info.url as string)
  lines = []
  cleanups = [() => instance.stop(), () => rpc.close(), () => memory.close(), () => bus.close()]
  await memory.write(keys.chain, instance.info)
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function run(id: string): Bot {
  const life = new AbortController()
  const access = openChainAccess({ memory, openRpc, signal: life.signal })
  const bot = startBot({
    memory,
    bus,
    chain: access.chain,
    rpcTimeoutMs: 3_000,
    threadEntry,
    spec,
    id,
    log: (level, text) => lines.push(`${level} ${text}`),
  })
  const stop = async () => {
    await bot.stop()
    life.abort()
    access.close()
  }
  cleanups.push(stop)
  return { stop }
}

const opportunities = async (): Promise<Opportunity[]> =>
  (await streamAs(memory, streams.opportunities, OpportunitySchema, { last: 1_000 })).map((entry) => entry.value)
const head = async () => (await readAs(memory, keys.head, HeadSchema))?.value
const service = async () => (await readAs(memory, keys.service('bot'), ServiceRecordSchema))?.value

async function until<T>(what: string, ask: () => Promise<T | undefined | false>, ms = 15_000): Promise<T> {
  const end = Date.now() + ms
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`${what} did not happen within ${ms} ms: ${lines.slice(-5).join(' | ')}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
const headAt = (number: number) => until(`block ${number}`, async () => ((await head())?.number ?? -1) >= number)

/** Mines until something is found in the newest block. */
async function mineUntilFound(): Promise<Opportunity[]> {
  const name = instance.info.chainInstance
  for (let turn = 0; turn < 30; turn++) {
    const number = await instance.mine()
    await headAt(number)
    const found = (await opportunities()).filter((each) => each.block === number && each.chainInstance === name)
    if (found.length > 0) return found
  }
  throw new Error('nothing was found in 30 blocks of the practice market')
}

test('what it publishes is what the contract would keep, to the wei, at the block it was found in', async () => {
  run('bot-1')
  let checked = 0
  for (let turn = 0; turn < 20; turn++) {
    const found = await mineUntilFound()
    const now = await readHead(rpc)
    for (const opportunity of found) {
      const plan: TradePlan = {
        ...opportunity,
        opportunityId: opportunity.id,
        attempt: 1,
        expectedProfitRaw: opportunity.profitRaw,
        expectedProfitWei: opportunity.profitWei,
        minProfitRaw: opportunity.profitRaw,
        riskScore: 0,
      }
      const data = encodeExecute(plan, Number(now.number) + 1)
      const to = instance.market.executor.address
      const simulated = await simulateExecute(rpc, {
        from: EXECUTOR,
        to,
        data,
        gasLimit: gasUnits(2_000_000n),
        head: now,
      })
      expect(simulated.ok && decodeProfit(simulated.returnData)).toBe(opportunity.profitRaw)
      expect(opportunity.profitWei - opportunity.gasWei).toBeGreaterThanOrEqual(spec.minProfitWei)
      checked += 1
    }
  }
  expect(checked).toBeGreaterThanOrEqual(20)
})

test('each opportunity is in the stream, told as an event, and on the coordinators’ queue, once', async () => {
  run('bot-1')
  const found = await mineUntilFound()
  const events = (await streamAs(memory, streams.events, FleetEventSchema)).map((entry) => entry.value)
  const told = events.filter((event) => event.type === 'opportunity' && event.block === found[0]?.block)
  expect(told.map((event) => event.type === 'opportunity' && event.id)).toEqual(found.map((each) => each.id))
  const taken: string[] = []
  const consumer = await bus.consume('coordinator', async (message) => {
    if (message.kind !== 'opportunity') return
    taken.push(message.opportunity.id)
    expect(message.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
  })
  const all = (await opportunities()).map((each) => each.id)
  await until('all messages', async () => taken.length >= all.length)
  await consumer.stop()
  expect(taken.sort()).toEqual(all.sort())
  expect(new Set(all).size).toBe(all.length)
})

test('a restart does not publish the block again, and goes on with the next', async () => {
  const first = run('bot-1')
  await mineUntilFound()
  const before = (await opportunities()).length
  await first.stop()
  expect(await service()).toBeUndefined()
  run('bot-2')
  await until('bot-2 is healthy', async () => (await service())?.state === 'healthy')
  expect(await opportunities()).toHaveLength(before)
  const found = await mineUntilFound()
  expect(await opportunities()).toHaveLength(before + found.length)
})

test('only one of two bots watches; the other takes over when it leaves', async () => {
  const first = run('bot-1')
  await until('bot-1 is healthy', async () => (await service())?.state === 'healthy')
  run('bot-2')
  await mineUntilFound()
  const blocks = (await opportunities()).map((each) => each.id)
  expect(new Set(blocks).size).toBe(blocks.length)
  expect(await memory.lease(leases.bot, 'bot-3', 1_000)).toBeUndefined()
  await first.stop()
  await until('bot-2 is healthy', async () => (await service())?.state === 'healthy')
  await headAt(await instance.mine())
})

test('a new chain instance makes it drop everything and start anew there', async () => {
  run('bot-1')
  await mineUntilFound()
  const next = await boot()
  cleanups.push(() => next.stop())
  await memory.write(keys.chain, next.info)
  await instance.stop()
  await until('the new instance', async () => (await head())?.chainInstance === next.info.chainInstance)
  instance = next
  const before = (await opportunities()).filter((each) => each.chainInstance !== next.info.chainInstance).length
  await mineUntilFound()
  const all = await opportunities()
  expect(all.slice(before).every((each) => each.chainInstance === next.info.chainInstance)).toBe(true)
})

test('a node that is gone is told as unhealthy once, and looked for until it is back', async () => {
  run('bot-1')
  await until('healthy', async () => (await service())?.state === 'healthy')
  const { port } = instance.anvil
  await instance.stop()
  await until('unhealthy', async () => (await service())?.state === 'unhealthy')
  expect(lines.filter((line) => line.startsWith('warn')).length).toBeGreaterThan(0)
  const back = await startInstance({
    anvil: { fleet: 'test-bot', port },
    seed: 'test',
    owner: keyAddress(ownerKey('test')),
    executors: [EXECUTOR],
  })
  cleanups.push(() => back.stop())
  await until('healthy again', async () => (await service())?.state === 'healthy', 20_000)
})

test('a chain without pools is followed head by head, and it says once why there are no opportunities', async () => {
  await memory.write(keys.chain, {
    ...instance.info,
    chainInstance: 'bare',
    weth: null,
    pools: [],
    lenders: [],
    tokens: [],
  })
  run('bot-1')
  for (let turn = 0; turn < 3; turn++) await headAt(await instance.mine())
  expect((await head())?.pools).toBe(0)
  expect(lines.filter((line) => line.startsWith('warn'))).toEqual([
    'warn no pools are known on chain 31337: heads are followed, opportunities cannot be found',
  ])
})

test('a node of another chain is refused with both ids', async () => {
  await memory.write(keys.chain, { ...instance.info, chainId: 1 })
  run('bot-1')
  const record = await until('unhealthy', async () => {
    const now = await service()
    return now?.state === 'unhealthy' && now
  })
  expect(record.note).toContain('the node is of chain 31337, the fleet was made for chain 1')
})
