import { expect, test } from 'vitest'
import type { RpcReceipt } from '../../../../agent/dex/chain-types.ts'
import { RpcError } from '../../../../agent/dex/rpc/error.ts'
import type { Rpc } from '../../../../agent/dex/rpc.ts'
import { paidFor, revertReason } from '../../../../agent/dex/trade/receipt.ts'
import { signAndHash } from '../../../../agent/dex/trade/send.ts'
import { executorKey } from '../../../../agent/sandbox/keys.ts'
import { gasUnits, type Hex, wei } from '../../../../src/protocol/units.ts'
import { addr, hash } from '../../../fixtures/trade.ts'

const receipt = (over: Partial<RpcReceipt> = {}): RpcReceipt => ({
  transactionHash: hash(1),
  blockHash: hash(2),
  blockNumber: '0x10',
  status: '0x0',
  gasUsed: '0x64',
  effectiveGasPrice: '0x7',
  from: addr(1),
  to: addr(2),
  logs: [],
  ...over,
})
const SIGNED = signAndHash(executorKey('test', 1), {
  chainId: 1,
  nonce: 0,
  to: addr(2),
  data: '0x01',
  gasLimit: gasUnits(1_000n),
  maxFeePerGasWei: wei(9n),
  maxPriorityFeePerGasWei: wei(1n),
}).raw

/** Error(string) of `text`, as a contract returns it. */
const errorOf = (text: string): Hex => {
  const bytes = Buffer.from(text).toString('hex').padEnd(64, '0')
  return `0x08c379a0${'20'.padStart(64, '0')}${text.length.toString(16).padStart(64, '0')}${bytes}`
}

/** A node whose calls revert, or not, by the block they are asked at. */
const node = (reverts: Record<Hex, Hex>): Rpc => ({
  async request<T>(method: string, params: readonly unknown[] = []) {
    const bytes = reverts[params[1] as Hex]
    if (bytes) throw new RpcError(method, { code: 3, message: 'execution reverted', data: bytes })
    return '0x' as T
  },
  subscribe: async () => async () => undefined,
  close: () => undefined,
})

test('what was paid is the gas at its price, and the L1 fee where the chain has one', () => {
  expect(paidFor(receipt())).toEqual({ gasUsed: 100n, gasWei: 700n })
  expect(paidFor(receipt({ l1Fee: '0x32' }))).toEqual({ gasUsed: 100n, gasWei: 750n, l1FeeWei: 50n })
})

test('the reason of a revert is what the call says after its block, or before it, or that neither says one', async () => {
  const [after, before] = [errorOf('after'), errorOf('before')]
  expect(await revertReason(node({ '0x10': after, '0xf': before }), SIGNED, receipt())).toBe('after')
  expect(await revertReason(node({ '0xf': before }), SIGNED, receipt())).toBe('before')
  expect(await revertReason(node({}), SIGNED, receipt())).toBe('it does not on the state around that block')
})

test('what used up its gas limit reverted for that', async () => {
  expect(await revertReason(node({}), SIGNED, receipt({ gasUsed: '0x3e8' }))).toBe('it used up its gas limit of 1000')
})
