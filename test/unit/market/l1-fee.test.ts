import { expect, test } from 'vitest'
import { RpcError } from '../../../agent/dex/rpc/error.ts'
import type { Rpc } from '../../../agent/dex/rpc.ts'
import { L1Fee } from '../../../agent/market/l1-fee.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'

/** A node whose oracle asks `price` wei a byte; what it was asked is in `asked`. */
function oracle() {
  const node = { price: 10n as bigint | undefined, asked: [] as number[] }
  const rpc: Rpc = {
    async request<T>(method: string, params: readonly unknown[] = []): Promise<T> {
      const { data } = params[0] as { data: string }
      const bytes = Number(`0x${data.slice(10)}`)
      node.asked.push(bytes)
      if (node.price === undefined) throw new RpcError(method, { message: 'no such view' })
      return `0x${(BigInt(bytes) * node.price).toString(16).padStart(64, '0')}` as T
    },
    subscribe: () => Promise.reject(new Error('not asked for here')),
    close: () => undefined,
  }
  return { node, rpc }
}
const lines: string[] = []
const feeOn = (rpc: Rpc, l1Fee: ChainInfo['l1Fee']) =>
  new L1Fee({ rpc, chain: { l1Fee } as ChainInfo, log: (level, message) => lines.push(`${level} ${message}`) })
const hops = (count: number) => Array.from({ length: count })

test('on an OP-stack chain a trade costs what the oracle asks for its bytes, read again every four blocks', async () => {
  const { node, rpc } = oracle()
  const fee = feeOn(rpc, 'op_stack')
  expect(fee.of(hops(2))).toBe(0n)
  await fee.read(100, '0x1')
  expect([2, 3, 4].map((count) => fee.of(hops(count)))).toEqual([4_840n, 5_480n, 6_120n])
  node.price = 20n
  await fee.read(103, '0x2')
  expect(fee.of(hops(2))).toBe(4_840n)
  await fee.read(104, '0x3')
  expect(fee.of(hops(2))).toBe(9_680n)
  await fee.read(90, '0x4') // a chain that was taken back
  expect(node.asked).toHaveLength(9)
})

test('an oracle that does not answer is told, and the last fee stays', async () => {
  const { node, rpc } = oracle()
  const fee = feeOn(rpc, 'op_stack')
  await fee.read(1, '0x1')
  node.price = undefined
  await fee.read(9, '0x2')
  expect(fee.of(hops(3))).toBe(5_480n)
  expect(lines).toEqual(['warn the fee for L1 data is not known: no such view'])
})

test('elsewhere nothing is asked and nothing is added', async () => {
  const { node, rpc } = oracle()
  const fee = feeOn(rpc, 'none')
  await fee.read(1, '0x1')
  expect([node.asked, fee.of(hops(4))]).toEqual([[], 0n])
})
