import { AbiCoder, Interface, id } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Address } from '../../../src/protocol/units.ts'
import { placeOf, ROUTES } from '../../fixtures/arena.ts'
import { Besieged, failed, OURS } from '../../fixtures/besieged.ts'

/** Whoever is neither owner nor executor, at every door of the contract. */

const THEIRS = new Interface([
  'function flashLoanSimple(address, address, uint256, bytes, uint16)',
  'function flashLoan(address, address[], uint256[], bytes)',
  'function flash(address, uint256, uint256, bytes)',
  'function swap(uint256, uint256, address, bytes)',
])

let besieged: Besieged
beforeAll(async () => {
  besieged = await Besieged.start('test-outsiders')
})
afterAll(() => besieged?.stop())

const stranger = () => besieged.world.stranger
const token = (symbol: string) => besieged.arena.token(symbol)
const encode = (name: string, args: readonly unknown[]) => OURS.encodeFunctionData(name, args)

/** A loan as the contract itself would encode it: all of its WETH, to a route through a pool of the stranger's. */
const loanInput = (kind: bigint) => {
  const lender = BigInt(stranger()) | (kind << 160n)
  const hops = [BigInt(stranger()) | (2n << 184n), BigInt(token('WETH')), BigInt(stranger()) | (2n << 184n), 0n]
  return AbiCoder.defaultAbiCoder().encode(
    ['uint256', 'address', 'uint256', 'uint256[]'],
    [lender, token('WETH'), 10n ** 19n, hops],
  )
}
/** A leg likewise: it would pay 1 WETH to whoever calls back. */
const legInput = () =>
  AbiCoder.defaultAbiCoder().encode(
    ['tuple(address,bool,uint256,uint256,uint256[4])', 'uint256[]'],
    [
      [token('WETH'), false, 0n, 0n, [10n ** 18n, 0n, 0n, 0n]],
      [BigInt(stranger()) | (3n << 184n), BigInt(token('DAI'))],
    ],
  )

type Door = [name: string, args: () => readonly unknown[], said: RegExp]
const NOT_ARMED = /^NotArmed: caller 0x[0-9a-f]{40}$/
const onLoan = (name: string, before: () => unknown[], kind: bigint): Door => [
  name,
  () => [...before(), loanInput(kind)],
  NOT_ARMED,
]
const onLeg = (name: string, before: () => unknown[]): Door => [name, () => [...before(), legInput()], NOT_ARMED]

const ENTRIES: readonly Door[] = [
  [
    'execute',
    () => [id('any'), 1_000_000, 0n, token('WETH'), 1n, 0n, 0n, [1n, 2n, 3n, 4n]],
    /^NotExecutor: caller 0x[0-9a-f]{40}$/,
  ],
  ['setExecutor', () => [stranger(), true], /^NotOwner: caller 0x[0-9a-f]{40}$/],
  ['setInputCap', () => [token('DAI'), 1n], /^NotOwner/],
  ['sweep', () => [token('WETH')], /^NotOwner/],
  ['offerOwnership', () => [stranger()], /^NotOwner/],
  ['takeOwnership', () => [], /^NotPendingOwner: caller 0x[0-9a-f]{40}$/],
]
const CALLBACKS: readonly Door[] = [
  onLoan('executeOperation', () => [token('WETH'), 10n ** 19n, 0n, besieged.at], 1n),
  onLoan('receiveFlashLoan', () => [[token('WETH')], [10n ** 19n], [0n]], 2n),
  onLoan('uniswapV3FlashCallback', () => [0n, 0n], 3n),
  onLoan('pancakeV3FlashCallback', () => [0n, 0n], 3n),
  onLoan('uniswapV2Call', () => [besieged.at, 10n ** 19n, 0n], 4n),
  onLoan('pancakeCall', () => [besieged.at, 10n ** 19n, 0n], 4n),
  onLeg('uniswapV2Call', () => [besieged.at, 10n ** 19n, 0n]),
  onLeg('uniswapV3SwapCallback', () => [10n ** 18n, -1n]),
  onLeg('pancakeV3SwapCallback', () => [10n ** 18n, -1n]),
  onLeg('unlockCallback', () => []),
]

describe('a stranger', () => {
  test.each(ENTRIES)('is turned away at %s', async (name, args, said) => {
    expect(await besieged.attempt(stranger(), encode(name, args()))).toEqual(failed(said))
  })

  test.each(CALLBACKS)('cannot call back: %s', async (name, args, said) => {
    expect(await besieged.attempt(stranger(), encode(name, args()))).toEqual(failed(said))
  })

  test('finds no door that is not on these lists', () => {
    const doors = OURS.fragments.filter((each) => each.type === 'function' && !JSON.parse(each.format('json')).constant)
    const names = doors.map((each) => (each as unknown as { name: string }).name)
    expect([...new Set(names)].sort()).toEqual([...new Set([...ENTRIES, ...CALLBACKS].map(([name]) => name))].sort())
  })

  test('cannot leave native currency there', async () => {
    const sent = await besieged.attempt(stranger(), '0x', besieged.at, { value: '0x1' })
    expect(sent).toEqual(failed(`NotArmed: caller ${stranger()}`))
  })

  test('cannot take the part of the pair itself: the sender must be the contract', async () => {
    const input = encode('uniswapV2Call', [stranger(), 1n, 0n, legInput()])
    expect(await besieged.attempt(stranger(), input)).toEqual(failed(`NotInitiator: initiator ${stranger()}`))
  })
})

describe('a stranger who has a real lender call the contract for a loan of his own', () => {
  const lender = (kind: 'aave_v3' | 'balancer_v2' | 'uniswap_v3' | 'uniswap_v2') =>
    besieged.arena.lender(kind, besieged.arena.route(ROUTES['v2 v2'] as string)).address
  const call = (name: string, args: readonly unknown[], to: Address) =>
    besieged.attempt(stranger(), THEIRS.encodeFunctionData(name, args), to)

  test('is turned away with Aave, Balancer, a pool and a pair', async () => {
    const weth = token('WETH')
    const first = BigInt(weth) < BigInt(token('LINK'))
    const amounts = first ? [1_000n, 0n] : [0n, 1_000n]
    const [aave, vault] = [lender('aave_v3'), lender('balancer_v2')]
    expect(await call('flashLoanSimple', [besieged.at, weth, 1_000n, loanInput(1n), 0], aave)).toEqual(
      failed(`NotArmed: caller ${aave}`),
    )
    expect(await call('flashLoan', [besieged.at, [weth], [1_000n], loanInput(2n)], vault)).toEqual(
      failed(`NotArmed: caller ${vault}`),
    )
    // A pool calls back whoever called it, and a pair says who that was.
    expect(await call('flash', [besieged.at, ...amounts, loanInput(3n)], lender('uniswap_v3'))).toEqual(
      failed('reverted without a reason'),
    )
    expect(await call('swap', [...amounts, besieged.at, loanInput(4n)], lender('uniswap_v2'))).toEqual(
      failed(`NotInitiator: initiator ${stranger()}`),
    )
  })
})

test('the pools of the market have no standing approval from the contract', async () => {
  const everywhere = Object.values(ROUTES).flatMap((route) => besieged.arena.route(route).map(placeOf))
  await besieged.expectUnharmed([...new Set(everywhere)])
})
