import { id } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RouteHop } from '../../../agent/dex/search/cycles.ts'
import type { Address } from '../../../src/protocol/units.ts'
import { placeOf, ROUTES } from '../../fixtures/arena.ts'
import { failed, OURS } from '../../fixtures/besieged.ts'
import { type HopKind, type HopWords, LENDERS, type Script, type Theft, Thief, WAYS } from '../../fixtures/thief.ts'

const NOT_ARMED = /^NotArmed: caller 0x[0-9a-f]{40}$/
const LOSS = /^ProfitBelowFloor: gained -\d+, floor 0$/
const HOP_KINDS = ['pair', 'pool', 'manager'] as const
const MOST = 2n ** 256n - 1n

let thief: Thief
beforeAll(async () => {
  thief = await Thief.start('test-fake-pools')
})
afterAll(() => thief?.besieged.stop())

const by = async (kind: HopKind, script: Script, theft: Partial<Theft> = {}) => {
  await thief.prepare(script)
  return thief.steal({ hops: thief.round(kind), ...theft })
}

describe('fake pools', () => {
  test.each(HOP_KINDS)('of kind %s that take and give nothing are paid nothing', async (kind) => {
    expect(await by(kind, {})).toEqual(failed(LOSS))
    expect(await by(kind, {}, { lender: BigInt(thief.villain) })).toEqual(failed(LOSS))
  })

  test.each(['pool', 'manager'] as const)('of kind %s that ask for more than was offered are refused', async (kind) => {
    const said = `PartialFill: pool ${thief.villain}, taken ${10n ** 18n + 1n}, offered ${10n ** 18n}`
    expect(await by(kind, { way: 'OTHER_AMOUNT' })).toEqual(failed(said))
  })

  test.each(['pool', 'manager'] as const)(
    'of kind %s that call back twice, not at all, through others or with other input are not let in',
    async (kind) => {
      for (const way of ['OTHER_CALLER', 'OTHER_INPUT'] as const) {
        expect(await by(kind, { way })).toEqual(failed(NOT_ARMED))
      }
      expect(await by(kind, { way: 'TWICE' }, { amount: 0n })).toEqual(failed(NOT_ARMED))
      expect(await by(kind, { way: 'SILENT' })).toEqual(failed(`NoCallback: pool ${thief.villain}`))
    },
  )

  test('that pay first, as the last pair does where nobody lends, are held to the same', async () => {
    const self = { lender: BigInt(thief.villain) }
    expect(await by('pair', { way: 'SILENT' }, self)).toEqual(failed(`NoCallback: pool ${thief.villain}`))
    expect(await by('pair', { way: 'TWICE' }, self)).toEqual(failed(NOT_ARMED))
    expect(await by('pair', { way: 'OTHER_INPUT' }, self)).toEqual(failed(NOT_ARMED))
    expect(await by('pair', { way: 'OTHER_CALLER' }, self)).toEqual(failed(NOT_ARMED))
    expect(await by('pair', { way: 'OTHER_INITIATOR' }, self)).toEqual(
      failed(`NotInitiator: initiator ${thief.villain}`),
    )
  })

  test.each(HOP_KINDS)('of kind %s cannot enter again', async (kind) => {
    await thief.asExecutor(async () => expect(await by(kind, { way: 'REENTER' })).toEqual(failed('Reentered')))
  })

  test('that are no pools at all, but a token, the contract itself or an account, get nothing', async () => {
    for (const at of [thief.token('WETH'), thief.besieged.at, thief.besieged.world.stranger]) {
      for (const kind of HOP_KINDS) {
        const hops = [thief.hop(kind, 'USDC', true, at), thief.hop(kind, 'WETH', false, at)]
        for (const lender of [0n, BigInt(at)]) expect((await thief.steal({ hops, lender })).status).toBe('0x0')
      }
      for (const kind of LENDERS) {
        const outcome = await thief.steal({ hops: thief.honest(), lender: thief.lenderOf(kind, at) })
        expect(outcome.status).toBe('0x0')
      }
    }
  })
})

describe('a fake pool that says it paid 500 USDC, in front of a real one', () => {
  const script: Script = { extra: 500_000_000n }
  /** The real pool's hop, back to WETH: it would sell the USDC that lie in the contract. */
  const real = (shape: string, kind: HopKind): HopWords => {
    const back = thief.besieged.arena.route(ROUTES[shape] as string)[1] as RouteHop
    const [word, out] = thief.hop(kind, 'WETH', back.zeroForOne, placeOf(back))
    return [word | (BigInt(back.feePips) << 160n) | (BigInt(back.v4?.tickSpacing ?? 0) << 193n), out]
  }
  const sell = (kind: HopKind, behind: HopWords) =>
    by(kind, script, { amount: 0n, hops: [thief.hop(kind, 'USDC', true), behind] })

  test.each(['pool', 'manager'] as const)(
    'of kind %s does not get them sold: what was not paid is not spent',
    async (kind) => {
      expect(await sell(kind, real('v3 v3', 'pool'))).toEqual(failed('Uniswap V3 AS: amount is zero'))
      expect(await sell(kind, real('v3 v4', 'manager'))).toEqual(
        failed('Uniswap V4 SwapAmountCannotBeZero: the amount is zero'),
      )
      expect(await sell(kind, real('v3 v2', 'pair'))).toEqual(failed(/^UniswapV2: INSUFFICIENT_INPUT_AMOUNT/))
    },
  )

  test('gets nothing from a fake one behind it either: that one is asked to take nothing', async () => {
    expect((await by('pool', script, { amount: 0n })).said).toBe('it went through')
  })
})

describe('figures that are out of bounds', () => {
  test('a floor that overflows with the tip, or is no signed number, lets nothing pass', async () => {
    expect(await by('pair', {}, { minProfit: MOST, tip: 1n })).toEqual(
      failed('Panic 17: arithmetic overflow or underflow'),
    )
    for (const minProfit of [MOST, 2n ** 255n, 2n ** 255n + 1n]) {
      expect(await by('pair', {}, { hops: thief.honest(), minProfit })).toEqual(
        failed(/^ProfitBelowFloor: gained -\d+, floor \d+$/),
      )
    }
  })

  test('an input above the cap, or of a token that is not traded, is refused', async () => {
    expect(await by('pair', {}, { amount: 2n ** 255n })).toEqual(failed(/^InputAboveCap/))
    expect(await by('pair', {}, { token: 'DAI', amount: 0n })).toEqual(failed(/^InputAboveCap/))
  })

  test('a tip does not come out of the capital', async () => {
    expect(await by('pool', {}, { amount: 0n, tip: 10n ** 18n })).toEqual(
      failed(`ProfitBelowFloor: gained 0, floor ${10n ** 18n}`),
    )
  })
})

/** A linear congruential generator: the same numbers in every run. */
function seeded(seed: number): <T>(from: readonly T[]) => T {
  let state = seed
  return (from) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return from[Math.floor((state / 2 ** 32) * from.length)] as (typeof from)[number]
  }
}

test('three hundred thefts thrown together at random, of real and of fake lenders and pools, take nothing', async () => {
  const pick = seeded(20_261)
  const { arena, world, at } = thief.besieged
  const symbols = ['WETH', 'USDC', 'DAI']
  const known = Object.values(ROUTES).flatMap((route) => arena.route(route))
  const lenders = [
    ...LENDERS.map((kind) => thief.lenderOf(kind)),
    ...(['aave_v3', 'balancer_v2', 'uniswap_v3', 'uniswap_v2'] as const).map(
      (name, index) => BigInt(arena.lender(name, known).address) | (BigInt(index + 1) << 160n),
    ),
    0n,
  ]
  const anyHop = (): HopWords => {
    const real = pick(known)
    const place: Address = pick([thief.villain, placeOf(real)])
    const [word, out] = thief.hop(pick(HOP_KINDS), pick(symbols), pick([true, false]), place)
    return [word | (BigInt(real.feePips) << 160n) | (BigInt(real.v4?.tickSpacing ?? 0) << 193n), out]
  }
  let passed = 0
  for (let turn = 0; turn < 300; turn++) {
    if (turn % 3 === 0) {
      const [token0, token1] = [pick(symbols), pick(symbols)]
      await thief.prepare({
        way: pick(WAYS),
        otherKind: pick([1, 2, 3, 4, 5, 6]),
        extra: pick([0n, 1n, 10n ** 18n]),
        token0,
        token1,
      })
    }
    const hops = Array.from({ length: pick([2, 3, 4]) }, anyHop)
    const lender = pick([...lenders, (hops[0] as HopWords)[0] & (2n ** 160n - 1n)])
    const amount = pick([0n, 1n, 10n ** 6n, 10n ** 18n])
    const data = thief.callOf({ lender, token: pick(['WETH', 'USDC']), amount, tip: pick([0n, 0n, 1n]), hops })
    const { status } = await world.send(world.executor, at, data, { gas: '0x4c4b40' })
    if (status === '0x1') passed++
    if (turn % 10 === 9) await thief.besieged.expectUnharmed([thief.villain])
  }
  // Some are idle rounds that pass: the thefts are not all stopped at the door.
  expect(passed).toBeGreaterThan(0)
})

test('a theft that failed leaves its opportunity to others', async () => {
  const { world, at } = thief.besieged
  await thief.prepare({})
  const args = [id('burnt'), 1_000_000, 0n, thief.token('WETH'), 1n, 0n, 0n, thief.round('pair').flat()]
  await world.send(world.executor, at, OURS.encodeFunctionData('execute', args))
  const read = OURS.encodeFunctionData('executed', [id('burnt')])
  expect(BigInt(await world.rpc.request<string>('eth_call', [{ to: at, data: read }, 'latest']))).toBe(0n)
})
