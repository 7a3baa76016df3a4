import { expect, test } from 'vitest'
import type { Rpc } from '../../../agent/dex/rpc.ts'
import { publicMempool } from '../../../agent/dex/trade/submit.ts'
import type { Intent, SignedAs } from '../../../agent/roles/sending/intent.ts'
import { type Keeping, keepNonces } from '../../../agent/roles/sending/keeper.ts'
import { HeldOutbox } from '../../../agent/roles/sending/outbox.ts'
import type { Signer } from '../../../agent/roles/sending/signer.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { openMemory } from '../../../src/ports/memory/open.ts'
import { keys } from '../../../src/protocol/keys.ts'
import { raw, wei } from '../../../src/protocol/units.ts'
import { AT, addr, hash, INSTANCE } from '../../fixtures/trade.ts'

const [ME, NONCE, DEADLINE] = [addr(5), 7, 105]
const signed: SignedAs = {
  ...{ kind: 'trade', hash: hash(9), raw: '0x', block: 104, refused: null },
  ...{ maxFeePerGasWei: wei(2n), maxPriorityFeePerGasWei: wei(1n) },
}
const intent: Intent = {
  ...{ opportunityId: hash(1), attempt: 1, chainInstance: INSTANCE, agent: 'executor-1', state: 'sent' },
  ...{ outcome: null, reason: null, from: ME, fence: 1, nonce: NONCE, signed: [signed], deadlineBlock: DEADLINE },
  terms: {
    ...{ token: addr(1), contract: addr(2), predictedWei: wei(1n) },
    ...{ expectedProfitRaw: raw(1n), expectedProfitWei: wei(1n) },
  },
  ...{ execution: null, blockHash: null, corrected: null, at: AT },
}

/**
 * A node that has counted `NONCE` transactions of the key, past the deadline of the last one, which it is about to mine: it
 * does not know it as waiting any more. @param minedAt how often it is asked for counts until it counts that one too
 */
function miningNode(minedAt: number): Rpc {
  let asked = 0
  const count = () => {
    const counted = NONCE + (asked >= minedAt ? 1 : 0)
    asked += 0.5 // latest and pending are asked together
    return `0x${counted.toString(16)}`
  }
  const answers: Record<string, () => unknown> = {
    eth_getBlockByNumber: () => ({ number: '0x69', hash: hash(3), baseFeePerGas: '0x1', timestamp: '0x1' }),
    eth_getTransactionCount: count,
    eth_getBalance: () => '0x1',
    eth_getTransactionByHash: () => null,
  }
  return {
    request: async <T>(method: string) => answers[method]?.() as T,
    subscribe: async () => async () => undefined,
    close: () => undefined,
  }
}

async function keepOn(memory: SharedMemory, rpc: Rpc): Promise<HeldOutbox> {
  const of = { chainId: 1, chainInstance: INSTANCE, address: ME, fence: 1 }
  const outbox = await HeldOutbox.open(memory, of)
  await outbox.resync({ latest: NONCE, pending: NONCE })
  await outbox.place({ opportunityId: intent.opportunityId, attempt: 1, deadlineBlock: DEADLINE })
  await memory.write(keys.intent(intent.opportunityId, 1), intent)
  const signer = { exclusive: (work: () => Promise<void>) => work(), outbox: async () => outbox }
  await keepNonces({
    ...{ rpc, memory, submitter: publicMempool(rpc), signal: new AbortController().signal },
    ...{ chain: { chainInstance: INSTANCE, chainId: 1 }, held: { address: ME, chainId: 1 } },
    ...{ signer: signer as unknown as Signer, limits: { maxFeePerGasWei: wei(9n) } },
  } as Keeping)
  return outbox
}

test('a nonce that was mined while it was looked for is not given out again', async () => {
  const memory = await openMemory('embedded:', { fleet: 'test-keeper' })
  const outbox = await keepOn(memory, miningNode(1))
  expect(outbox.box.slots).toMatchObject([{ nonce: NONCE, released: true }])
  expect(outbox.box.next).toBe(NONCE + 1)
  await memory.close()
})

test('one that is being mined is asked for once more before the next is given out', async () => {
  const memory = await openMemory('embedded:', { fleet: 'test-keeper' })
  const outbox = await keepOn(memory, miningNode(2))
  expect([outbox.box.next, outbox.dirty]).toEqual([NONCE, true])
  await memory.close()
})
