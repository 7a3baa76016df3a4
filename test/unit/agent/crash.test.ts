import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type RpcReceipt, toHex } from '../../../agent/dex/chain-types.ts'
import type { Rpc } from '../../../agent/dex/rpc.ts'
import { decodeExecuted } from '../../../agent/dex/trade/build.ts'
import { standsNow } from '../../../agent/roles/sending/intent.ts'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import type { Verdict } from '../../../src/protocol/trade.ts'
import { clearHalt, until } from '../../fixtures/agents.ts'
import { type Bench, startBench, tampered } from '../../fixtures/bench.ts'
import { memoryOver, sendingOn } from '../../fixtures/sending.ts'

let bench: Bench
let on: ReturnType<typeof sendingOn>
beforeAll(async () => {
  bench = await startBench('test-crash')
  on = sendingOn(bench)
})
afterAll(() => bench.stop())
beforeEach(() => clearHalt(bench.memory))

/** A process that ends at one point: nothing that it does afterwards reaches anybody. Its leases end, as they would in time. */
function mortal(at: { point: string; when: 'before' | 'after' }) {
  let dead = false
  const passed = new Map<string, number>()
  let died = (): void => undefined
  const death = new Promise<void>((resolve) => {
    died = resolve
  })
  const gone = (): never => {
    throw new FleetError('memory_unreachable', 'this process is dead', { remedy: 'None.', transient: true })
  }
  const through = async <T>(point: string, work: () => Promise<T>): Promise<T> => {
    if (dead) return gone()
    const times = (passed.get(point) ?? 0) + 1
    passed.set(point, times)
    const here = `${point} ${times}` === at.point
    const die = (): never => {
      dead = true
      died()
      return gone()
    }
    if (here && at.when === 'before') return die()
    const result = await work()
    if (here) return die()
    return dead ? gone() : result
  }
  const memory: SharedMemory = memoryOver(bench.memory, {
    read: (key) => through(`read ${key}`, () => bench.memory.read(key)),
    list: (prefix) => through(`list ${prefix}`, () => bench.memory.list(prefix)),
    write: (key, value, options) => through(pointOf(key, value), () => bench.memory.write(key, value, options)),
  })
  const { rpc } = bench.market
  const ask = (method: string) => (params: readonly unknown[]) => through(method, () => rpc.request(method, params))
  const mortalRpc: Rpc = tampered(rpc, {
    eth_sendRawTransaction: ask('eth_sendRawTransaction'),
    eth_getTransactionReceipt: ask('eth_getTransactionReceipt'),
    eth_blockNumber: ask('eth_blockNumber'),
    eth_getBlockByNumber: ask('eth_getBlockByNumber'),
  })
  return { memory, rpc: mortalRpc, death }
}

/** `intent sent`, `outbox`, `account`: what a write is about. */
function pointOf(key: string, value: unknown): string {
  const [kind] = key.split('/')
  return kind === 'intent' ? `intent ${(value as { state: string }).state}` : `${kind}`
}

/** In this order; the outbox is opened first, then a nonce is given out. */
const POINTS = [
  'intent intended 1',
  'outbox 1',
  'outbox 2',
  'intent sent 1',
  'eth_sendRawTransaction 1',
  'account 1',
  'intent done 1',
]

test.each(POINTS.flatMap((point) => [[point, 'before'] as const, [point, 'after'] as const]))(
  'an executor that dies at %s, %s it, leaves one execution at most, and every unit of gas is booked',
  async (point, when) => {
    const { memory, rpc, death } = mortal({ point, when })
    const first = await bench.executor('executor-1', { memory, rpc: async () => rpc })
    const verdict: Verdict = await bench.verdict(await bench.plan(`died at ${point} ${when}`))
    const before = { block: await on.head() }
    const lost = first.run(verdict).catch(() => undefined)
    await on.miningUntil(death)
    await first.stop()
    await lost
    const second = await bench.executor('executor-1')
    const { outcome, output } = await on.miningUntil(second.run(verdict))
    const again = await second.run(verdict)
    await on.miningUntil(until('nothing waits', async () => !(await waits())))
    await second.stop()

    expect(['ok', 'failed', 'stale']).toContain(outcome)
    expect(await executedSince(before.block, verdict)).toBeLessThanOrEqual(1)
    expect(await executedSince(before.block, verdict)).toBe(output?.status === 'executed' ? 1 : 0)
    const booked = outcome === 'stale' ? 0n : (standsNow(await on.intentOf(verdict))?.gasWei ?? 0n)
    expect(booked).toBe(await on.gasSince(before.block))
    if (outcome !== 'stale') {
      expect(again.output).toEqual(output)
      const entry = (await on.account()).entries.find(({ id }) => id === `${verdict.tx.plan.opportunityId}/1`)
      expect(entry?.status).toBe(output?.status)
    }
    // Nothing is left behind that would hold up the next trade of the key.
    const box = await on.outbox()
    if (box) expect(box.next).toBe(await on.nonce())
  },
)

/** True while a nonce of the key waits in the node's pool, or is one that was given out and not freed. */
async function waits(): Promise<boolean> {
  const box = await on.outbox()
  const latest = await on.nonce()
  return box?.slots.some(({ released, nonce }) => !released && nonce >= latest) ?? false
}

async function executedSince(block: number, { tx }: Verdict): Promise<number> {
  const contract = tx.to
  let count = 0
  for (let at = block + 1; at <= (await on.head()); at++) {
    const receipts = await bench.market.rpc.request<RpcReceipt[]>('eth_getBlockReceipts', [toHex(at)])
    for (const { logs } of receipts) {
      if (decodeExecuted(logs, contract)?.opportunityId === tx.plan.opportunityId) count++
    }
  }
  return count
}
