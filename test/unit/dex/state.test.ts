import { afterAll, beforeAll, expect, test } from 'vitest'
import { MarketState } from '../../../agent/dex/state.ts'
import { MAX_SQRT_PRICE, MIN_SQRT_PRICE, sqrtPriceAtTick } from '../../../agent/dex/v3/tick-math.ts'
import type { PoolInfo } from '../../../src/protocol/chain.ts'
import { type Bench, seeded, startBench, TESTER } from '../../fixtures/dex/bench.ts'

type Random = ReturnType<typeof seeded>
let bench: Bench
let infos: PoolInfo[]
const START_TICK = 1_234

beforeAll(async () => {
  bench = await startBench()
  const [a, b, c] = [await bench.token(18), await bench.token(6), await bench.token(8)]
  infos = [await bench.pair(a, b), await bench.pair(b, c), await bench.pool(a, b, 500), await bench.pool(a, c, 3000)]
  for (const info of infos) {
    await bench.mine(
      info.kind === 'v2'
        ? [TESTER.encodeFunctionData('fillPair', [info.address, 10n ** 18n, 10n ** 15n])]
        : [
            TESTER.encodeFunctionData('tickOfFreshPool', [info.address, sqrtPriceAtTick(START_TICK)]),
            TESTER.encodeFunctionData('addLiquidity', [info.address, -60_000, 60_000, 10n ** 16n]),
          ],
    )
  }
})
afterAll(() => bench?.stop())

const positions = new Map<string, bigint>()

function randomCall(random: Random): string {
  const info = infos[random.int(0, infos.length - 1)] as PoolInfo
  if (info.kind === 'v2') {
    return random.coin(0.2)
      ? TESTER.encodeFunctionData('fillPair', [info.address, random.amount(10, 17), random.amount(10, 14)])
      : TESTER.encodeFunctionData('swapPair', [
          info.address,
          random.coin(),
          random.amount(12, 17),
          random.amount(1, 12),
        ])
  }
  const spacing = info.tickSpacing as number
  const lower = Math.floor(START_TICK / spacing + random.int(-30, 20)) * spacing
  const upper = lower + random.int(1, 4) * spacing
  const key = [info.address, lower, upper].join()
  const held = positions.get(key)
  if (held !== undefined && random.coin(0.7)) {
    const amount = random.coin() ? held : held / 3n
    positions.set(key, held - amount)
    return TESTER.encodeFunctionData('removeLiquidity', [info.address, lower, upper, amount])
  }
  if (random.coin(0.5)) {
    // Few different amounts: that makes ticks whose net liquidity is 0 while positions still stand on them.
    const amount = 10n ** BigInt(random.int(14, 15))
    positions.set(key, (held ?? 0n) + amount)
    return TESTER.encodeFunctionData('addLiquidity', [info.address, lower, upper, amount])
  }
  const zeroForOne = random.coin()
  const limit = zeroForOne ? MIN_SQRT_PRICE + 1n : MAX_SQRT_PRICE - 1n
  return TESTER.encodeFunctionData('swapPool', [info.address, zeroForOne, random.amount(5, 15), limit])
}

const block = (random: Random) => bench.mine(Array.from({ length: random.int(0, 25) }, () => randomCall(random)))

test('after forty blocks of swaps, mints and burns, the state by logs equals a fresh load, bit for bit', async () => {
  const random = seeded(5)
  const followed = await MarketState.load(bench.rpc, infos, await bench.head())
  let changed = 0
  for (let turn = 0; turn < 40; turn++) {
    const { head } = await block(random)
    const names = await followed.follow(head)
    if (names === 'all') throw new Error('it read everything anew instead of applying logs')
    changed += names.size
    if (turn % 8 === 7) {
      const fresh = await MarketState.load(bench.rpc, infos, head)
      expect(followed.states()).toEqual(fresh.states())
      expect([followed.block, followed.hash]).toEqual([Number(head.number), head.hash])
    }
  }
  expect(changed).toBeGreaterThan(60)
  const netZero = [...followed.states().values()].flatMap((pool) =>
    pool.kind === 'v3' ? Object.values(pool.ticks ?? {}) : [],
  )
  expect(netZero).toContain(0n)
})

test('a pool that no log names keeps its object, so that what was computed from it still holds', async () => {
  const followed = await MarketState.load(bench.rpc, infos, await bench.head())
  const before = followed.states()
  const [first] = infos as [PoolInfo]
  const { head } = await bench.mine([TESTER.encodeFunctionData('fillPair', [first.address, 1000n, 1000n])])
  expect(await followed.follow(head)).toEqual(new Set([first.address]))
  for (const [pool, state] of followed.states()) expect(state === before.get(pool)).toBe(pool !== first.address)
})

test('a head that does not stand on ours makes it read anew: reorgs of depth 1 to 10, a rollback, a missed block', async () => {
  const random = seeded(6)
  const followed = await MarketState.load(bench.rpc, infos, await bench.head())
  const check = async (): Promise<void> => {
    const head = await bench.head()
    expect(await followed.follow(head)).toBe('all')
    expect(followed.states()).toEqual((await MarketState.load(bench.rpc, infos, head)).states())
  }
  for (let depth = 1; depth <= 10; depth++) {
    for (let turn = 0; turn < depth; turn++) await followed.follow((await block(random)).head)
    await bench.rpc.request('anvil_reorg', [depth, []])
    await check()
    await bench.resync()
  }
  for (let turn = 0; turn < 3; turn++) await followed.follow((await block(random)).head)
  await bench.rpc.request('anvil_rollback', [2])
  await check()
  await bench.resync()
  await block(random)
  await block(random)
  await check()
})

test('a block that the node no longer has is told as stale, and the state stays where it was', async () => {
  const followed = await MarketState.load(bench.rpc, infos, await bench.head())
  const at = followed.hash
  const { head } = await bench.mine([TESTER.encodeFunctionData('fillPair', [infos[0]?.address, 1000n, 1000n])])
  await bench.rpc.request('anvil_reorg', [1, []])
  await bench.resync()
  await expect(followed.follow(head)).rejects.toMatchObject({ code: 'state_stale', transient: true })
  expect(followed.hash).toBe(at)
  expect(await followed.follow(await bench.head())).toEqual(new Set())
})
