import { expect, test } from 'vitest'
import { RpcError } from '../../../../agent/dex/rpc/error.ts'
import type { Rpc } from '../../../../agent/dex/rpc.ts'
import { privateRpc, publicMempool } from '../../../../agent/dex/trade/submit.ts'
import { hash } from '../../../fixtures/trade.ts'

const SIGNED = { raw: '0x02ab', hash: hash(5) } as const

/** A node that notes what it is asked, and knows some methods. */
function node(answers: Record<string, () => unknown>) {
  const asked: [string, unknown][] = []
  const rpc: Rpc = {
    async request<T>(method: string, params?: readonly unknown[]) {
      asked.push([method, params])
      const answer = answers[method]
      if (!answer) throw new RpcError(method, { code: -32_601, message: 'no such method' })
      return answer() as T
    },
    subscribe: async () => async () => undefined,
    close: () => undefined,
  }
  return { rpc, asked }
}

test('the public pool is handed the bytes as they are, and shows what waits in it', async () => {
  const { rpc, asked } = node({ eth_sendRawTransaction: () => SIGNED.hash })
  const submitter = publicMempool(rpc)
  expect(await submitter.submit(SIGNED, 9)).toBe(SIGNED.hash)
  expect(asked).toEqual([['eth_sendRawTransaction', [SIGNED.raw]]])
  expect(submitter).toMatchObject({ visible: true, expires: false })
})

test('a private RPC is told the last block, and drops the transaction after it', async () => {
  const { rpc, asked } = node({ eth_sendPrivateTransaction: () => SIGNED.hash })
  const submitter = privateRpc(rpc)
  expect(await submitter.submit(SIGNED, 255)).toBe(SIGNED.hash)
  expect(asked).toEqual([['eth_sendPrivateTransaction', [{ tx: SIGNED.raw, maxBlockNumber: '0xff' }]]])
  expect(submitter).toMatchObject({ visible: false, expires: true })
})

test('a private RPC without that method takes the bytes as they are, and is not asked again', async () => {
  const { rpc, asked } = node({ eth_sendRawTransaction: () => SIGNED.hash })
  const submitter = privateRpc(rpc)
  await submitter.submit(SIGNED, 9)
  await submitter.submit(SIGNED, 9)
  expect(asked.map(([method]) => method)).toEqual([
    'eth_sendPrivateTransaction',
    'eth_sendRawTransaction',
    'eth_sendRawTransaction',
  ])
  expect(submitter.expires).toBe(false)
})

test('what a private RPC refuses is refused, and goes nowhere else', async () => {
  const refusal = new RpcError('eth_sendPrivateTransaction', { code: -32_000, message: 'too cheap' })
  const { rpc, asked } = node({
    eth_sendPrivateTransaction: () => {
      throw refusal
    },
    eth_sendRawTransaction: () => SIGNED.hash,
  })
  await expect(privateRpc(rpc).submit(SIGNED)).rejects.toBe(refusal)
  expect(asked).toHaveLength(1)
})
