import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Rpc } from '../../../agent/dex/rpc.ts'
import { findCycles } from '../../../agent/dex/search/cycles.ts'
import { decodeExecuted, decodeProfit, encodeExecute } from '../../../agent/dex/trade/build.ts'
import { readHead } from '../../../agent/dex/trade/send.ts'
import { simulateExecute } from '../../../agent/dex/trade/simulate.ts'
import type { RoleTool } from '../../../agent/role.ts'
import { admin } from '../../../agent/roles/admin.ts'
import { builder } from '../../../agent/roles/builder.ts'
import { codeIndexer } from '../../../agent/roles/code-indexer.ts'
import { fixer } from '../../../agent/roles/fixer.ts'
import { reviewer } from '../../../agent/roles/reviewer.ts'
import { testWriter } from '../../../agent/roles/test-writer.ts'
import { parseSpec } from '../../../src/fleet/spec.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import { HaltSchema, type Wanted, WantedSchema } from '../../../src/protocol/fleet.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { type Risk, RiskSchema } from '../../../src/protocol/limits.ts'
import { now } from '../../../src/protocol/schemas.ts'
import type { BuiltTx, Hop, Lender, TradePlan } from '../../../src/protocol/trade.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { until } from '../../fixtures/agents.ts'
import { type Bench, runOf, type Signed, startBench, tampered, taskOf } from '../../fixtures/bench.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'
import { hash, opportunity } from '../../fixtures/trade.ts'
import { trade } from '../../fixtures/trades.ts'

let bench: Bench
let executor: Signed
beforeAll(async () => {
  bench = await startBench('test-roles')
  executor = await bench.executor('executor-1')
})
afterAll(async () => {
  await executor.stop()
  await bench.stop()
})

const built = async (plan: TradePlan): Promise<BuiltTx> => {
  const { output } = await runOf(builder(), 'build')(taskOf<'build'>(plan, plan), bench.context('builder-1'))
  return output as BuiltTx
}
const validate = async (tx: BuiltTx) =>
  runOf(testWriter(), 'validate')(taskOf<'validate'>(tx, tx.plan), bench.context('test_writer-1'))

test('code_indexer knows every contract of a route of this market, and refuses code that it does not know', async () => {
  const { hops, lender, opportunityId } = await bench.plan('inspect')
  const found = opportunity({ id: opportunityId, hops, lender })
  const inspect = (rpc = bench.market.rpc) =>
    runOf(codeIndexer(), 'inspect')(
      taskOf<'inspect'>(found, { opportunityId, attempt: 1 }),
      bench.context('code_indexer-1', { rpc: async () => rpc }),
    )
  const known = await inspect()
  expect(known.outcome).toBe('ok')
  expect(known.output?.contracts.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['pool', 'token', 'lender']))
  const strange = await inspect(tampered(bench.market.rpc, { eth_getCode: () => '0x6000' }))
  expect(strange).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/unknown code: .*0x/) })
})

test('what code_indexer found out of a route lately it does not ask the node again', async () => {
  const { hops, lender, opportunityId } = await bench.plan('remembered')
  const found = opportunity({ id: opportunityId, hops, lender })
  const asked: string[] = []
  const counting: Rpc = {
    ...tampered(bench.market.rpc, {}),
    request: (method, params) => {
      asked.push(method)
      return bench.market.rpc.request(method, params)
    },
  }
  const indexer = codeIndexer()
  const inspect = () =>
    runOf(indexer, 'inspect')(
      taskOf<'inspect'>(found, { opportunityId, attempt: 1 }),
      bench.context('code_indexer-1', { rpc: async () => counting }),
    )
  const { number, hash: blockHash } = await readHead(bench.market.rpc)
  const { chainInstance } = bench.chain
  await bench.memory.write(keys.head, { chainInstance, number: Number(number), hash: blockHash, at: now(), pools: 2 })
  const first = await inspect()
  expect(first.outcome).toBe('ok')
  // Of the node's own newest block: the bot's may be one that this node does not know.
  expect(asked.filter((method) => method === 'eth_getBlockByNumber')).toHaveLength(1)
  asked.length = 0
  expect(await inspect()).toEqual(first)
  expect(asked).toEqual([])
  await bench.memory.write(keys.head, undefined)
})

test('no token of this market is a trap to code_indexer, whatever pools it is traded in and whatever is borrowed', async () => {
  const { pools, tokens } = bench.chain
  const bases = ['WETH', 'USDC'].map((name) => tokens.find(({ symbol }) => symbol === name)?.address as `0x${string}`)
  const cycles = bases.flatMap((base) => findCycles(pools, base, 3).filter((_, at) => at % 75 === 0))
  const shapes = new Set(cycles.flat().map((hop) => hop.kind))
  expect([...shapes].sort()).toEqual(['v2', 'v3', 'v4'])
  for (const cycle of cycles) {
    const sizeRaw = raw(cycle[0]?.tokenIn === bases[0] ? 10n ** 18n : 10n ** 9n)
    const hops = cycle.map((hop) => ({ ...hop, amountIn: sizeRaw, amountOut: sizeRaw }))
    const found = opportunity({ hops, token: hops[0]?.tokenIn as `0x${string}`, sizeRaw })
    const looks = codeIndexer() // it remembers nothing yet
    const lender = bench.chain.lenders[0] as Lender
    const task = taskOf<'inspect'>({ ...found, lender }, { opportunityId: found.id, attempt: 1 })
    const risk = { ...RiskSchema.parse({}), minDepthWei: wei(0n) }
    const { outcome, reason, output } = await runOf(looks, 'inspect')(task, bench.context('code_indexer-1', { risk }))
    expect(reason ?? outcome, describe(hops)).toBe('ok')
    expect(output?.contracts.filter(({ note }) => note?.startsWith('not probed'))).toEqual([])
  }
})

const describe = (hops: readonly Hop[]): string => hops.map(({ kind, pool }) => `${kind} ${pool}`).join(', ')

test('code_indexer refuses what the risk block rules out, and what the pools are too shallow for', async () => {
  const { hops, lender, opportunityId, sizeRaw, expectedProfitRaw } = await bench.plan('risk')
  const [profitRaw, profitWei] = [expectedProfitRaw, wei(expectedProfitRaw)]
  const found = opportunity({ id: opportunityId, hops, lender, sizeRaw, profitRaw, profitWei })
  const inspect = async (risk: Partial<Risk>) => {
    const context = bench.context('code_indexer-1', { risk: { ...RiskSchema.parse({}), ...risk } })
    const { outcome, reason } = await runOf(codeIndexer(), 'inspect')(
      taskOf<'inspect'>(found, { opportunityId, attempt: 1 }),
      context,
    )
    return reason ?? outcome
  }
  const symbol = bench.chain.tokens.find(({ address }) => address === hops[0]?.tokenOut)?.symbol as string
  expect(await inspect({})).toBe('ok')
  expect(await inspect({ denyTokens: [symbol] })).toMatch(/^rule denyTokens: token /)
  expect(await inspect({ allowTokens: ['WETH'] })).toMatch(/^rule allowTokens: /)
  expect(await inspect({ minDepthWei: wei(10n ** 22n) })).toMatch(
    /^rule minDepthWei: pool 0x\w+ holds the worth of \d+ wei/,
  )
  expect(await inspect({ minDepthWei: wei(10n ** 19n) })).toBe('ok')
})

test('builder leaves the deadline open, and what is open never runs', async () => {
  const plan = await bench.plan('open')
  const tx = await built(plan)
  expect(tx).toMatchObject({ to: bench.chain.executor?.address, data: encodeExecute(plan, 0), deadlineBlock: 0 })
  const head = await readHead(bench.market.rpc)
  const simulation = await simulateExecute(bench.market.rpc, { from: bench.market.executor, ...tx, head })
  expect(simulation.ok).toBe(false)
})

test('test_writer predicts from the very bytes that its verdict holds, and records adverse states', async () => {
  const tx = await built(await bench.plan('validate'))
  const head = await readHead(bench.market.rpc)
  const { outcome, output } = await validate(tx)
  expect(outcome).toBe('ok')
  expect(output).toMatchObject({
    pass: true,
    validatedBlock: Number(head.number),
    deadlineBlock: Number(head.number) + 1,
  })
  if (!output) throw new Error('there is no verdict')
  const { data, gasLimit, to } = output.tx
  const same = await simulateExecute(bench.market.rpc, { from: bench.market.executor, to, data, gasLimit, head })
  expect(same.ok && decodeProfit(same.returnData)).toBe(output.predictedRaw)
  expect(output.predictedRaw).toBe(tx.plan.expectedProfitRaw)
  expect(output.adverse.map((state) => state.outcome)).toEqual(['reverts', 'reverts'])
})

test('a plan whose floor is above what the market pays fails validation, in words', async () => {
  const plan = await bench.plan('floor')
  const { outcome, reason, output } = await validate(
    await built({ ...plan, minProfitRaw: raw(plan.expectedProfitRaw + 1n) }),
  )
  expect(outcome).toBe('failed')
  expect(reason).toMatch(/ProfitBelowFloor/)
  expect(output).toMatchObject({ pass: false, predictedRaw: 0n })
})

test('fixer sizes a plan anew on the newest state, for the next attempt, and its plan passes', async () => {
  const plan = await bench.plan('mend')
  const broken = { ...plan, sizeRaw: raw(plan.sizeRaw * 3n), minProfitRaw: plan.expectedProfitRaw }
  const failed = await validate(await built(broken))
  expect(failed.outcome).toBe('failed')
  const input = { plan: broken, verdict: failed.output ?? null, execution: null }
  const mended = await runOf(fixer(), 'mend')(taskOf<'mend'>(input, plan), bench.context('fixer-1'))
  expect(mended).toMatchObject({ outcome: 'ok', output: { attempt: 2, sizeRaw: plan.sizeRaw } })
  const passed = await validate(await built(mended.output as TradePlan))
  expect(passed.output?.predictedRaw).toBe(mended.output?.expectedProfitRaw)
})

test('fixer refuses where no profit is left, and where the attempt before may still count', async () => {
  const plan = await bench.plan('nothing left')
  const verdict = await bench.verdict(plan)
  const { output: execution } = await bench.whileMining(executor.run(verdict))
  const mend = (over: Partial<TradePlan>, of: typeof execution | null) =>
    runOf(fixer(), 'mend')(
      taskOf<'mend'>({ plan: { ...plan, ...over }, verdict, execution: of ?? null }, plan),
      bench.context('fixer-1'),
    )
  expect(await mend({}, execution)).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/is executed/) })
  const backwards = [...plan.hops].reverse().map((hop) => ({
    ...hop,
    tokenIn: hop.tokenOut,
    tokenOut: hop.tokenIn,
    zeroForOne: !hop.zeroForOne,
  }))
  expect(await mend({ hops: backwards }, null)).toMatchObject({ reason: expect.stringMatching(/no profit left/) })
})

test('reviewer reads the chain itself: it confirms what is true and names what is not', async () => {
  const verdict = await bench.verdict(await bench.plan('review'))
  const { output: execution } = await bench.whileMining(executor.run(verdict))
  if (!execution) throw new Error('it was not executed')
  const review = async (input = { verdict, execution }) =>
    (await runOf(reviewer(), 'review')(taskOf<'review'>(input, verdict.tx.plan), bench.context('reviewer-1'))).output
  expect(await review()).toMatchObject({ exact: true, findings: [], profitWei: verdict.predictedWei, tx: execution.tx })
  const boasting = { ...execution, profitWei: wei(execution.profitWei + 1n) }
  expect((await review({ verdict, execution: boasting }))?.findings).toEqual([expect.stringMatching(/reported/)])
  const promised = { ...verdict, predictedWei: wei(verdict.predictedWei - 1n) }
  expect(await review({ verdict: promised, execution })).toMatchObject({ exact: false })
  const lost = await review({ verdict, execution: { ...execution, tx: hash(404) } })
  expect(lost).toMatchObject({ exact: false, profitWei: 0n, block: null })
  expect(lost?.findings[0]).toMatch(/no receipt/)
})

test('a trade runs before the traders of its block, on the very state that it was validated on', async () => {
  const verdict = await bench.verdict(await bench.plan('moved'))
  const run = executor.run(verdict)
  const waiting = async () => (await bench.market.rpc.request<{ pending: string }>('txpool_status')).pending
  await until('it waits in the pool', async () => Number(await waiting()) === 1)
  await trade(bench.market, 'moved', 1) // the traders bid less: they come behind, in the same block
  const { output } = await bench.whileMining(run)
  expect(output?.status).toBe('executed')
  expect(output?.profitWei).toBe(verdict.predictedWei)
  const receipt = await bench.market.rpc.request<{ logs: never[] }>('eth_getTransactionReceipt', [output?.tx])
  expect(decodeExecuted(receipt.logs, verdict.tx.to)?.profitRaw).toBe(output?.profitRaw)
})

test('admin sets halt and counts, within what the manifest allows, and says so', async () => {
  const context = bench.context('admin-1')
  const tool = (name: string) => admin().tools.find((each) => each.name === name) as RoleTool
  await tool('set_halt').run({ set: true, reason: 'drill' }, context)
  expect((await readAs(bench.memory, keys.halt, HaltSchema))?.value).toMatchObject({ set: true, reason: 'drill' })
  await tool('set_halt').run({ set: false, reason: null }, context)
  await expect(tool('scale_role').run({ role: 'executor', count: 2 }, context)).rejects.toMatchObject({
    code: 'fleet_not_running',
  })
  const spec = parseSpec(readFileSync('config/fleet.yaml', 'utf8'), 'config/fleet.yaml', ROLE_NAMES)
  const counts = Object.fromEntries(Object.entries(spec.roles).map(([role, { counts: c }]) => [role, c.mini]))
  const about = {
    fleet: 'test',
    engine: 'embedded',
    profile: 'mini',
    specHash: '',
    chain: 'sandbox',
    chainId: 1,
  } as const
  const made = { hubPort: 3000, seed: '', images: {}, live: true }
  const wanted: Wanted = {
    ...about,
    counts: counts as Wanted['counts'],
    spec,
    ...made,
    writtenBy: 'test',
    at: now(),
  }
  await bench.memory.write(keys.wanted, wanted)
  await tool('scale_role').run({ role: 'executor', count: 2 }, context)
  expect((await readAs(bench.memory, keys.wanted, WantedSchema))?.value.counts.executor).toBe(2)
  await expect(tool('scale_role').run({ role: 'admin', count: 9 }, context)).rejects.toMatchObject({ code: 'usage' })
  const status = await tool('fleet_status').run({}, context)
  expect(status).toMatchObject({ halt: { set: false } })
  const audit = await bench.history.read({ kind: 'audit' })
  expect(audit.map(({ body }) => body.action)).toEqual(['halt', 'resume', 'scale'])
})
