import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RpcReceipt } from '../../../agent/dex/chain-types.ts'
import { decodeExecuted } from '../../../agent/dex/trade/build.ts'
import { OutboxSchema } from '../../../agent/roles/sending/nonces.ts'
import { WorkflowSchema } from '../../../agent/workflow-state.ts'
import type { TaskBus } from '../../../src/ports/bus/bus.ts'
import { listAs, readAs } from '../../../src/ports/memory/typed.ts'
import { ChainInfoSchema } from '../../../src/protocol/chain.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { TotalsSchema } from '../../../src/protocol/snapshot.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { startFleet, type TestFleet, until } from '../../fixtures/agents.ts'

/** Every message is published twice, the second time a little later and so behind others. */
const twice = (bus: TaskBus): TaskBus => ({
  async publish(role, message) {
    await bus.publish(role, message)
    setTimeout(() => void bus.publish(role, message).catch(() => undefined), 40)
  },
  consume: (role, handle, options) => bus.consume(role, handle, options),
  depth: (role) => bus.depth(role),
  close: () => bus.close(),
})

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet('test-twice', { replicas: 2, wrapBus: twice })
})
afterAll(() => fleet.stop())

/** All receipts of transactions to our contract, and of what cancelled some (to the sender himself), oldest first. */
async function receiptsOf(contract: Address): Promise<RpcReceipt[]> {
  const rpc = await fleet.rpc()
  const head = Number(await rpc.request<Hex>('eth_blockNumber'))
  const blocks = await Promise.all(
    Array.from({ length: head }, (_, at) =>
      rpc.request<RpcReceipt[]>('eth_getBlockReceipts', [`0x${(at + 1).toString(16)}`]),
    ),
  )
  return blocks.flat().filter(({ from, to }) => to === contract || to === from)
}

test('with every message delivered twice to two agents of each role, the books are what the chain says', async () => {
  const chain = (await readAs(fleet.memory, keys.chain, ChainInfoSchema))?.value
  const contract = chain?.executor?.address as Address
  const totals = async () => (await readAs(fleet.memory, keys.totals(chain?.chainInstance ?? ''), TotalsSchema))?.value
  await until('six executions', async () => ((await totals())?.executed ?? 0) >= 6, 60_000)
  await fleet.stopBot()
  const running = async () => (await listAs(fleet.memory, keys.workflows, WorkflowSchema)).filter(({ ended }) => !ended)
  await until('all trades have ended', async () => (await running()).length === 0, 40_000)
  const nonces = () => listAs(fleet.memory, keys.outboxes(chain?.chainId ?? 0), OutboxSchema)
  const isFinal = async () => (await nonces()).every(({ slots }) => slots.every(({ released }) => released))
  await until('everything that was sent is final', isFinal, 20_000)

  // A transaction that the node seemed to have lost may be mined all the same: the books follow at the next head.
  const paid = (all: readonly RpcReceipt[]) =>
    all.reduce((sum, each) => sum + BigInt(each.gasUsed) * BigInt(each.effectiveGasPrice), 0n)
  const booked = async () => (await totals())?.gasWei === paid(await receiptsOf(contract))
  await until('all gas that the chain took is in the books', booked, 20_000)

  const receipts = await receiptsOf(contract)
  const executed = receipts.flatMap(({ logs }) => decodeExecuted(logs, contract) ?? [])
  const books = await totals()
  expect(new Set(executed.map(({ opportunityId }) => opportunityId)).size).toBe(executed.length)
  expect(books?.executed).toBe(executed.length)
  const workflows = await listAs(fleet.memory, keys.workflows, WorkflowSchema)
  const worth = executed.map(({ opportunityId, profitRaw }) => {
    const plan = workflows.find(({ id }) => id === opportunityId)?.mined?.verdict.tx.plan
    return plan ? (profitRaw * plan.expectedProfitWei) / plan.expectedProfitRaw : 0n
  })
  expect(books?.profitWei).toBe(worth.reduce((sum, each) => sum + each, 0n))
  expect(books?.gasWei).toBe(paid(receipts))
  const trades = await fleet.history.read({ kind: 'trade', limit: 1_000 })
  const executions = trades.filter(({ body }) => body.state === 'executed')
  expect(executions).toHaveLength(executed.length)
  for (const { body } of executions) expect(body.profitWei).toBe(body.predictedWei)
}, 120_000)
