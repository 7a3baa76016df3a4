import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failed } from '../../fixtures/besieged.ts'
import { KIND, LENDERS, type Script, type Theft, Thief } from '../../fixtures/thief.ts'

const NOT_ARMED = /^NotArmed: caller 0x[0-9a-f]{40}$/
const LOSS = /^ProfitBelowFloor: gained -\d+, floor 0$/

let thief: Thief
beforeAll(async () => {
  thief = await Thief.start('test-fake-lenders')
})
afterAll(() => thief?.besieged.stop())

type Kind = (typeof LENDERS)[number]

describe.each(LENDERS)('a fake lender of kind %s', (kind) => {
  const by = async (script: Script, theft: Partial<Theft> = {}) => {
    await thief.prepare(script)
    return thief.steal({ lender: thief.lenderOf(kind), hops: thief.honest(), ...theft })
  }

  test('that lends nothing is paid back nothing', async () => {
    expect(await by({})).toEqual(failed(LOSS))
  })

  test('that asks all the capital as its premium does not get it', async () => {
    // A pair cannot ask: its fee stands in the call.
    const lender = thief.lenderOf(kind) | (kind === 'pair' ? 900_000n << 168n : 0n)
    expect(await by({ extra: 9n * 10n ** 18n }, { lender })).toEqual(failed(LOSS))
  })

  test('that never calls back is found out', async () => {
    expect(await by({ way: 'SILENT' })).toEqual(failed(`NoCallback: pool ${thief.villain}`))
  })

  test('that changes what it was given to bring back is not let in', async () => {
    expect(await by({ way: 'OTHER_INPUT' })).toEqual(failed(`NotArmed: caller ${thief.villain}`))
  })

  test('that has somebody else call back is not let in', async () => {
    expect(await by({ way: 'OTHER_CALLER' })).toEqual(failed(NOT_ARMED))
  })

  test('that calls back twice is let in once', async () => {
    expect(await by({ way: 'TWICE' }, { amount: 0n, hops: thief.idle() })).toEqual(
      failed(`NotArmed: caller ${thief.villain}`),
    )
  })

  test('cannot enter again from its loan, whether it may execute or not', async () => {
    expect(await by({ way: 'REENTER' })).toEqual(failed(`NotExecutor: caller ${thief.villain}`))
    await thief.asExecutor(async () => expect(await by({ way: 'REENTER' })).toEqual(failed('Reentered')))
  })

  test.each(Object.entries(KIND).filter(([other]) => other !== kind && other !== 'own'))(
    'that calls back as %s is not let in',
    async (_other, otherKind) => {
      expect(await by({ way: 'OTHER_KIND', otherKind })).toEqual(failed(`NotArmed: caller ${thief.villain}`))
    },
  )
})

describe('a fake lender', () => {
  /** The route costs nothing and earns nothing, so that a loan of nothing can be given back. */
  const by = async (kind: Kind, script: Script) => {
    await thief.prepare(script)
    return thief.steal({ lender: thief.lenderOf(kind), amount: 0n, hops: thief.idle() })
  }

  test.each([
    ['aave', 'OTHER_AMOUNT', 'WETH', 1],
    ['aave', 'OTHER_TOKEN', 'USDC', 0],
    ['vault', 'OTHER_AMOUNT', 'WETH', 1],
    ['vault', 'OTHER_TOKEN', 'USDC', 0],
    ['pair', 'OTHER_AMOUNT', 'WETH', 1],
  ] as const)('of kind %s that comes with %s is refused', async (kind, way, token, amount) => {
    expect(await by(kind, { way })).toEqual(failed(`WrongLoan: token ${thief.token(token)}, amount ${amount}`))
  })

  test('that comes with two loans is refused', async () => {
    expect(await by('vault', { way: 'TWO_TOKENS' })).toEqual(failed(/^WrongLoan: token 0x0{40}, amount 2$/))
  })

  test.each(['aave', 'pair'] as const)('of kind %s that says that somebody else asked is refused', async (kind) => {
    expect(await by(kind, { way: 'OTHER_INITIATOR' })).toEqual(failed(`NotInitiator: initiator ${thief.villain}`))
  })

  test('cannot keep an approval for later', async () => {
    // It lends so much that the route may lose the loan, and would come for the loan again when nobody looks.
    await thief.besieged.arena.deal(thief.villain, thief.token('WETH'), 14n)
    await thief.prepare({ way: 'LEAVE_APPROVAL' })
    expect(await thief.steal({ lender: thief.lenderOf('aave'), amount: 7n, hops: thief.idle() })).toEqual(
      failed(`StandingApproval: lender ${thief.villain}, amount 7`),
    )
  })
})
