import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RpcLog } from '../../../../agent/dex/chain-types.ts'
import { askAll, selector } from '../../../../agent/dex/pools/lens.ts'
import { loadTracked } from '../../../../agent/dex/pools/load.ts'
import { logFilterOf, poolIdOf } from '../../../../agent/dex/pools/log-filter.ts'
import { applyLog, STATE_TOPICS } from '../../../../agent/dex/pools/logs.ts'
import { quoteExactIn } from '../../../../agent/dex/pools/quote.ts'
import { contractOf, poolKinds } from '../../../../agent/dex/pools/table.ts'
import { sqrtPriceAtTick } from '../../../../agent/dex/pools/v3-math/tick-math.ts'
import type { Rpc } from '../../../../agent/dex/rpc.ts'
import { adverseStates } from '../../../../agent/dex/trade/simulate.ts'
import type { PoolInfo } from '../../../../src/protocol/chain.ts'
import { type Hex, raw } from '../../../../src/protocol/units.ts'
import { type Bench, startBench, TESTER } from '../../../fixtures/dex/bench.ts'
import { addr } from '../../../fixtures/dex/pools.ts'
import { startV4, type V4Bench } from '../../../fixtures/dex/v4.ts'

let bench: Bench
let v4: V4Bench
let pools: { pair: PoolInfo; pool: PoolInfo; inManager: PoolInfo }

beforeAll(async () => {
  bench = await startBench()
  v4 = await startV4(bench)
  const [a, b] = [await bench.token(18), await bench.token(18)]
  pools = {
    pair: await bench.pair(a, b),
    pool: await bench.pool(a, b, 3000),
    inManager: v4.pool(a, b, 3000, 60),
  }
  const at = (info: PoolInfo) => [info.address, -600, 600, 10n ** 20n]
  await bench.mine([
    TESTER.encodeFunctionData('fillPair', [pools.pair.address, 10n ** 18n, 2n * 10n ** 18n]),
    TESTER.encodeFunctionData('tickOfFreshPool', [pools.pool.address, sqrtPriceAtTick(7)]),
    TESTER.encodeFunctionData('addLiquidity', at(pools.pool)),
  ])
  await v4.mine([
    v4.encode('initialize', pools.inManager, sqrtPriceAtTick(7)),
    v4.encode('change', pools.inManager, -600, 600, 10n ** 20n),
  ])
})
afterAll(() => bench?.stop())

/** The bench's node, with every eth_call noted. */
function counting(): { rpc: Rpc; calls: string[] } {
  const calls: string[] = []
  const rpc: Rpc = Object.create(bench.rpc)
  rpc.request = (method: string, params?: readonly unknown[]) => {
    calls.push(method)
    return bench.rpc.request(method, params)
  }
  return { rpc, calls }
}

test('10,704 pairs are read in eleven calls, in order, and the progress tells of each', async () => {
  const { rpc, calls } = counting()
  const many = Array.from({ length: 10_704 }, () => pools.pair)
  const told: number[] = []
  const tracked = await loadTracked(rpc, many, (await bench.head()).hash, (loaded, total) => {
    expect(total).toBe(10_704)
    told.push(loaded)
  })
  expect(calls.length).toBe(11)
  expect(told).toHaveLength(12)
  expect([told[0], told.at(-1)]).toEqual([0, 10_704])
  expect(new Set(tracked.map(({ pool }) => pool.kind === 'v2' && pool.reserve1))).toEqual(new Set([2n * 10n ** 18n]))
})

test('pools of all kinds are read together, in the order asked for', async () => {
  const { pair, pool, inManager } = pools
  const mixed = [pool, pair, inManager, pair, ...Array.from({ length: 20 }, () => pool)]
  const { rpc, calls } = counting()
  const tracked = await loadTracked(rpc, mixed, (await bench.head()).hash)
  expect(tracked.map(({ pool: { address } }) => address)).toEqual(mixed.map(({ address }) => address))
  const [inPool, , inTheManager] = tracked
  expect(inPool?.pool).toMatchObject({
    tick: 7,
    liquidity: 10n ** 20n,
    ticks: { '-600': 10n ** 20n, 600: -(10n ** 20n) },
  })
  expect(inTheManager).toEqual({
    pool: { ...inPool?.pool, ...inManager, protocolFeePips: [0, 0] },
    gross: inPool?.gross,
  })
  // Two groups of pools that have ticks and one manager's: prices, liquidities, bitmaps, ticks.
  expect(calls.length).toBeLessThan(20)
})

test('what is no pool is named, whatever the address holds', async () => {
  const { hash } = await bench.head()
  const token = pools.pair.token0
  for (const wrong of [
    { ...pools.pair, address: addr(0xdead) },
    { ...pools.pair, address: token },
    { ...pools.pool, address: pools.pair.address },
    { ...pools.inManager, manager: token },
  ]) {
    const load = loadTracked(bench.rpc, [pools.pair, wrong], hash)
    await expect(load).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(wrong.address),
    })
  }
  const { manager: _, ...homeless } = pools.inManager
  await expect(loadTracked(bench.rpc, [homeless], hash)).rejects.toMatchObject({ code: 'config_invalid' })
})

test('one target that reverts or burns what it gets spoils no other answer', async () => {
  // JUMPDEST PUSH1 0 JUMP: for ever.
  const burner = await bench.deploy('0x635b6000566000526004601cf3')
  const { hash: blockHash } = await bench.head()
  const ask = (target: Hex) => ({ target, selector: selector('getReserves()') })
  const targets = [pools.pair.address, pools.pool.address, burner, addr(0xdead), pools.pair.address].map(ask)
  const answers = await askAll({ rpc: bench.rpc, blockHash }, targets, 3)
  expect(answers.map((answer) => answer?.length)).toEqual([194, undefined, undefined, undefined, 194])
  expect(answers[4]).toBe(answers[0])
})

test('a node that does not run code of the caller’s is told from one that does', async () => {
  const rpc: Rpc = Object.create(bench.rpc)
  rpc.request = async <T>() => '0x' as T
  await expect(loadTracked(rpc, [pools.pair], '0x00')).rejects.toMatchObject({ code: 'unsupported' })
})

test('no two kinds write the same topic, and one filter fetches the logs of pools of every kind', async () => {
  expect(new Set(STATE_TOPICS).size).toBe(STATE_TOPICS.length)
  const { pair, pool, inManager } = pools
  const filter = logFilterOf([pair, pool, inManager, v4.pool(pair.token0, pair.token1, 500, 10)])
  expect(filter.address).toEqual([pair.address, pool.address, v4.manager])
  const logs = await bench.rpc.request<RpcLog[]>('eth_getLogs', [{ ...filter, fromBlock: '0x0' }])
  expect(new Set(logs.map(poolIdOf))).toEqual(new Set([pair.address, pool.address, inManager.address]))
})

test('a log that another contract wrote in a pool’s name changes nothing', async () => {
  const [tracked] = await loadTracked(bench.rpc, [pools.inManager], (await bench.head()).hash)
  const filter = { ...logFilterOf([pools.inManager]), fromBlock: '0x0' }
  const log = (await bench.rpc.request<RpcLog[]>('eth_getLogs', [filter])).at(-1) as RpcLog
  expect(applyLog(tracked as NonNullable<typeof tracked>, log)).not.toBe(tracked)
  expect(applyLog(tracked as NonNullable<typeof tracked>, { ...log, address: addr(0xbad) })).toBe(tracked)
})

test('an adverse state moves the price of every kind against the trade, in the contract that holds it', async () => {
  const head = await bench.head()
  for (const info of [pools.pair, pools.pool, pools.inManager]) {
    const v4Key = info.manager ? { v4: { manager: info.manager, tickSpacing: 60 } } : {}
    for (const zeroForOne of [true, false]) {
      const hop = { pool: info.address, kind: info.kind, zeroForOne, ...v4Key }
      const [state] = await adverseStates(bench.rpc, hop, head, [100])
      const rpc: Rpc = Object.create(bench.rpc)
      rpc.request = <T>(method: string, params: readonly unknown[] = []) =>
        bench.rpc.request<T>(method, [...params.slice(0, 2), { ...state?.overrides, ...(params[2] as object) }])
      const paid = async (through: Rpc) => {
        const [at] = await loadTracked(through, [info], head.hash)
        const { amountOut } = quoteExactIn((at as NonNullable<typeof at>).pool, {
          amountIn: raw(10n ** 9n),
          zeroForOne,
        })
        return Number(amountOut)
      }
      expect(Object.keys(state?.overrides ?? {})).toEqual([contractOf(info)])
      expect((await paid(rpc)) / (await paid(bench.rpc))).toBeCloseTo(0.99, 6)
    }
  }
})

test('every kind names the code that it trusts, and no two the same', () => {
  expect(poolKinds.map(({ codeKey }) => codeKey)).toEqual(['v2_pair', 'v3_pool', 'v4_manager'])
})
