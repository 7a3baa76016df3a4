import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeExecuted } from '../../../agent/dex/build.ts'
import type { RpcReceipt } from '../../../agent/dex/chain-types.ts'
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

/** All receipts of transactions to our contract, oldest first. */
async function receiptsTo(contract: Address): Promise<RpcReceipt[]> {
  const rpc = await fleet.rpc()
  const head = Number(await rpc.request<Hex>('eth_blockNumber'))
  const blocks = await Promise.all(
    Array.from({ length: head }, (_, at) =>
      rpc.request<RpcReceipt[]>('eth_getBlockReceipts', [`0x${(at + 1).toString(16)}`]),
    ),
  )
  return blocks.flat().filter((receipt) => receipt.to === contract)
}

test('with every message delivered twice to two agents of each role, the books are what the chain says', async () => {
  const chain = (await readAs(fleet.memory, keys.chain, ChainInfoSchema))?.value
  const contract = chain?.executor?.address as Address
  const totals = async () => (await readAs(fleet.memory, keys.totals(chain?.chainInstance ?? ''), TotalsSchema))?.value
  await until('six executions', async () => ((await totals())?.executed ?? 0) >= 6, 60_000)
  await fleet.stopBot()
  const running = async () => (await listAs(fleet.memory, keys.workflows, WorkflowSchema)).filter(({ ended }) => !ended)
  await until('all trades have ended', async () => (await running()).length === 0, 40_000)

  const receipts = await receiptsTo(contract)
  const executed = receipts.flatMap(({ logs }) => decodeExecuted(logs, contract) ?? [])
  const books = await totals()
  expect(new Set(executed.map(({ opportunityId }) => opportunityId)).size).toBe(executed.length)
  expect(books?.executed).toBe(executed.length)
  expect(books?.profitWei).toBe(executed.reduce((sum, { profitRaw }) => sum + profitRaw, 0n))
  expect(books?.gasWei).toBe(receipts.reduce((sum, r) => sum + BigInt(r.gasUsed) * BigInt(r.effectiveGasPrice), 0n))
  const trades = await fleet.history.read({ kind: 'trade', limit: 1_000 })
  const paid = trades.filter(({ body }) => body.state === 'executed')
  expect(paid).toHaveLength(executed.length)
  for (const { body } of paid) expect(body.profitWei).toBe(body.predictedWei)
}, 120_000)
