import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { coordinator } from '../../../agent/roles/coordinator.ts'
import { WorkflowSchema } from '../../../agent/workflow-state.ts'
import type { TaskBus } from '../../../src/ports/bus/bus.ts'
import type { History } from '../../../src/ports/history/history.ts'
import { openHistory } from '../../../src/ports/history/open.ts'
import { readAs, streamAs } from '../../../src/ports/memory/typed.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { FleetEventSchema } from '../../../src/protocol/event.ts'
import type { RoleName } from '../../../src/protocol/fleet.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { now } from '../../../src/protocol/schemas.ts'
import { ProfitPointSchema, TotalsSchema } from '../../../src/protocol/snapshot.ts'
import { type BusMessage, stageRole, type Task } from '../../../src/protocol/task.ts'
import { contextOf, openPorts, type Ports } from '../../fixtures/agents.ts'
import { addr, hash, INSTANCE, opportunity, WETH } from '../../fixtures/trade.ts'
import { type Answer, answerTo } from '../../fixtures/trade-network.ts'

let ports: Ports
let sent: { role: RoleName; message: BusMessage }[]
/** Breaks the next publications. */
let broken = 0
/** Another trade in every test: they share one history. */
let id = hash(0)
let history: History
beforeAll(async () => {
  history = await openHistory('pglite:')
})
afterAll(() => history.close())
beforeEach(async () => {
  ports = await openPorts(history)
  id = hash(Number(id) + 1)
  sent = []
  broken = 0
  await describeChain(INSTANCE)
})
afterEach(() => ports.close())

const describeChain = (chainInstance: string) =>
  ports.memory.write(keys.chain, {
    ...{ chainInstance, chainId: 1, sandbox: true, url: null, weth: WETH, seed: null, at: now() },
    tokens: [{ address: WETH, symbol: 'WETH', decimals: 18 }],
    ...{ pools: [], lenders: [], codeHashes: {}, executor: { address: addr(0xab), codeHash: hash(1) } },
  })

const bus: TaskBus = {
  async publish(role, message) {
    if (broken-- > 0) throw new FleetError('bus_unreachable', 'broken', { remedy: 'wait', transient: true })
    sent.push({ role, message })
  },
  consume: async () => ({ stop: async () => undefined }),
  depth: async () => 0,
  close: async () => undefined,
}

async function receive(message: BusMessage, redelivered = false): Promise<void> {
  const chain = async () => ({ chainId: 31_337, tokens: [{ address: WETH, symbol: 'WETH', decimals: 18 }] }) as never
  const context = contextOf({ ...ports, bus }, 'coordinator-1', { chain })
  await coordinator().receive?.(message, { publishedAt: 0, redelivered, signal: new AbortController().signal }, context)
}
const found = (): BusMessage => ({ kind: 'opportunity', opportunity: opportunity({ id }), traceparent: 'trace' })
const lastTask = (): Task => sent.at(-1)?.message as Task
const ok: Answer = { outcome: 'ok' }

/** The whole trade; what each task gets is drawn from `answers` by stage. */
async function trade(answers: Partial<Record<Task['stage'], Answer>> = {}): Promise<BusMessage[]> {
  await receive(found())
  const results: BusMessage[] = []
  for (let done = 0; done < sent.length; done++) {
    const task = sent[done]?.message as Task
    results.push(answerTo(task, answers[task.stage] ?? ok))
    await receive(results.at(-1) as BusMessage)
  }
  return results
}
const events = async (type: string) =>
  (await streamAs(ports.memory, streams.events, FleetEventSchema)).filter(({ value }) => value.type === type)
const totals = async () => (await readAs(ports.memory, keys.totals(INSTANCE), TotalsSchema))?.value

test('an opportunity becomes a workflow whose stages go to their roles, one after another', async () => {
  await trade()
  expect(sent.map(({ role }) => role)).toEqual([
    'code_indexer',
    'planner',
    'builder',
    'test_writer',
    'executor',
    'reviewer',
  ])
  for (const { role, message } of sent) expect(stageRole((message as Task).stage)).toBe(role)
})

test('an executed trade is counted, told and remembered', async () => {
  await trade()
  const net = 10n ** 16n - 3n * 10n ** 14n
  expect(await totals()).toMatchObject({ executed: 1, reverted: 0, profitWei: 10n ** 16n, gasWei: 3n * 10n ** 14n })
  expect((await events('execution')).map(({ value }) => value)).toMatchObject([{ id: id, exact: true, block: 101 }])
  expect(await events('trade')).toHaveLength(6)
  const profit = await streamAs(ports.memory, streams.profit, ProfitPointSchema)
  expect(profit.map(({ value }) => value)).toMatchObject([{ id: id, profitWei: net, totalWei: net }])
  const [record] = await ports.history.read({ kind: 'trade', idPrefix: id })
  expect(record?.body).toMatchObject({ state: 'executed', exact: true, tx: hash(7), profitWei: 10n ** 16n })
  expect(await ports.history.read({ kind: 'task', idPrefix: id })).toHaveLength(6)
  const [entry] = await ports.history.read({ kind: 'ledger', idPrefix: id })
  expect(entry?.body).toMatchObject({ entry: 'trade', state: 'executed', netWei: net, block: 101 })
})

test('every message delivered again changes no sum, tells nothing twice and repeats only tasks that are awaited', async () => {
  const results = await trade()
  const [sums, told] = [await totals(), await events('trade')]
  const before = sent.length
  for (const message of [found(), ...results, ...results]) {
    await receive(message)
    await receive(message, true)
  }
  expect(await totals()).toEqual(sums)
  expect(await events('trade')).toEqual(told)
  expect(await events('execution')).toHaveLength(1)
  expect(await streamAs(ports.memory, streams.profit, ProfitPointSchema)).toHaveLength(1)
  expect(sent).toHaveLength(before)
  expect(await ports.history.read({ kind: 'ledger', idPrefix: id })).toHaveLength(1)
})

test('a coordinator that dies between the workflow and the bus loses nothing: the same message publishes again', async () => {
  broken = 1
  await expect(receive(found())).rejects.toMatchObject({ transient: true })
  await receive(found(), true)
  expect(lastTask().stage).toBe('inspect')
  const result = answerTo(lastTask(), ok)
  broken = 1
  await expect(receive(result)).rejects.toMatchObject({ transient: true })
  await receive(result, true)
  expect(lastTask().stage).toBe('plan')
})

test('a copy of a message begets no copy of what followed from the first', async () => {
  await receive(found())
  await receive(found())
  expect(sent).toHaveLength(1)
  const result = answerTo(lastTask(), ok)
  await receive(result)
  await receive(result)
  expect(sent.map(({ message }) => (message as Task).stage)).toEqual(['inspect', 'plan'])
})

test('two coordinators with the same result move the trade once', async () => {
  await receive(found())
  const result = answerTo(lastTask(), ok)
  await Promise.all([receive(result), receive(result)])
  const workflow = await readAs(ports.memory, keys.workflow(id), WorkflowSchema)
  expect(workflow?.value.stage).toBe('plan')
  expect(new Set(sent.map(({ message }) => (message as Task).taskId)).size).toBe(2)
})

test('what a coordinator of another process wrote meanwhile is what the next result is held against', async () => {
  await receive(found())
  const inspected = answerTo(lastTask(), ok)
  await receive(inspected)
  const planned = answerTo(lastTask(), ok)
  const key = keys.workflow(id)
  const here = (await readAs(ports.memory, key, WorkflowSchema))?.value
  await ports.memory.write(key, { ...here, round: 3 })
  const before = sent.length
  await receive(planned)
  expect(sent).toHaveLength(before)
  await ports.memory.write(key, here)
  await receive(planned)
  expect(lastTask().stage).toBe('build')
})

test('messages of another chain instance are dropped', async () => {
  await receive(found())
  await describeChain('another-instance')
  await receive(answerTo(lastTask(), ok))
  await receive({ kind: 'opportunity', opportunity: opportunity({ id: hash(99) }), traceparent: 'trace' })
  expect(sent).toHaveLength(1)
})

test('a refused trade is counted as refused and its reason is kept', async () => {
  await trade({ plan: { outcome: 'refused' } })
  expect(await totals()).toMatchObject({ executed: 0, refused: 1, profitWei: 0n })
  const [record] = await ports.history.read({ kind: 'trade', idPrefix: id })
  expect(record?.body).toMatchObject({ state: 'refused', reason: expect.stringContaining('refused'), profitWei: null })
})
