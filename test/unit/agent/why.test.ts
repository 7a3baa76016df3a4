import { expect, test } from 'vitest'
import type { RpcReceipt } from '../../../agent/dex/chain-types.ts'
import { RpcError } from '../../../agent/dex/rpc/error.ts'
import type { Rpc } from '../../../agent/dex/rpc.ts'
import { signAndHash } from '../../../agent/dex/trade/send.ts'
import { whyReverted } from '../../../agent/roles/sending/why.ts'
import { reasonOf, tradeView } from '../../../agent/roles/trade-view.ts'
import { executorKey } from '../../../agent/sandbox/keys.ts'
import { begin } from '../../../agent/workflow.ts'
import { gasUnits, type Hex, wei } from '../../../src/protocol/units.ts'
import { AT, addr, execution, hash, opportunity, verdict } from '../../fixtures/trade.ts'

const receipt: RpcReceipt = {
  ...{ transactionHash: hash(1), blockHash: hash(2), blockNumber: '0x10', status: '0x0', gasUsed: '0x64' },
  ...{ effectiveGasPrice: '0x7', from: addr(1), to: addr(2), logs: [] },
}
const { raw: SIGNED } = signAndHash(executorKey('test', 1), {
  ...{ chainId: 1, nonce: 0, to: addr(2), data: '0x01', gasLimit: gasUnits(1_000n) },
  ...{ maxFeePerGasWei: wei(9n), maxPriorityFeePerGasWei: wei(1n) },
})
/** Panic of a code, as a contract returns it. */
const panic = (code: number): Hex => `0x4e487b71${code.toString(16).padStart(64, '0')}`

/** @param traced what the trace gives, or undefined: the node does not trace */
const node = (traced: unknown): Rpc => ({
  request: async (method) => {
    if (method === 'debug_traceTransaction' && traced !== undefined) return traced as never
    if (method === 'debug_traceTransaction') throw new RpcError(method, { code: -32_601, message: 'no such method' })
    throw new RpcError(method, { code: 3, message: 'execution reverted', data: panic(17) })
  },
  subscribe: async () => async () => undefined,
  close: () => undefined,
})

test('a revert is told by its trace; without one by calling it again', async () => {
  expect(await whyReverted(node({ output: panic(18) }), SIGNED, receipt)).toBe('Panic 18: division by zero')
  for (const without of [undefined, null, {}, { output: '0x' }, { output: 7 }])
    expect(await whyReverted(node(without), SIGNED, receipt)).toBe('Panic 17: arithmetic overflow or underflow')
})

test('a trade that reverted is shown with the contract’s words, whatever came of mending it', () => {
  const { workflow } = begin({ opportunity: opportunity(), traceparent: 't', live: true })
  const words = 'it reverted in block 101: ProfitBelowFloor: gained -1, floor 5'
  const mined = { verdict: verdict(), execution: execution({ status: 'reverted', reason: words }) }
  const endedWith = (reason: string | null) => ({
    ...workflow,
    mined,
    reason,
    ended: { state: 'reverted' as const, reason, at: AT },
  })
  expect(tradeView(endedWith('no profit left at block 102'), []).reason).toBe(
    `${words}; then no profit left at block 102`,
  )
  expect(reasonOf(endedWith(`mended 2 times; the last attempt: ${words}`))).toBe(
    `mended 2 times; the last attempt: ${words}`,
  )
  expect(reasonOf(endedWith(null))).toBe(words)
  expect(reasonOf({ ...workflow, reason: 'no route' })).toBe('no route')
})
