import { describe, expect, test } from 'vitest'
import { gasCeilingWei, type LiveFacts, refuseKeys, refuseLimits, riskOf } from '../../../src/launch/live.ts'
import { asFleetError, type FleetError } from '../../../src/protocol/errors.ts'
import { LimitsSchema } from '../../../src/protocol/limits.ts'
import { type Address, address } from '../../../src/protocol/units.ts'

const limits = LimitsSchema.parse({
  setForChain: 1,
  maxInputRawPerTrade: '5000000000000000000',
  maxInputRawPerHour: '50000000000000000000',
  tokens: { USDC: { maxInputRawPerTrade: '2500000000', maxInputRawPerHour: '9000000000' } },
  maxGasPerTrade: '1000000',
  maxFeePerGasWei: '50000000000',
})
const at = (digit: string): Address => address(`0x${digit.repeat(40)}`)
const facts: LiveFacts = {
  chain: { name: 'https://node.example', chainId: 1 },
  profile: {
    name: 'mainnet',
    wrappedNative: 'WETH',
    tokens: { WETH: { address: at('a'), decimals: 18 }, USDC: { address: at('b'), decimals: 6 } },
  },
  limits,
  executor: at('c'),
  owner: at('d'),
  keys: [
    { address: at('1'), balanceWei: 10n ** 18n, allowed: true },
    { address: at('2'), balanceWei: 5n * 10n ** 16n, allowed: true },
  ],
}
function refusal(check: () => void): FleetError {
  try {
    check()
  } catch (thrown) {
    return asFleetError(thrown)
  }
  return expect.fail('it was approved')
}

describe('limits', () => {
  test('that were set for this chain are taken', () => {
    expect(() => refuseLimits(limits, 1)).not.toThrow()
  })

  test.each([
    ['for no chain', undefined],
    ['for chain 10', 10],
  ])('that are set %s are refused, with what to write where', (what, setForChain) => {
    const error = refusal(() => refuseLimits({ ...limits, setForChain }, 1))
    expect(error).toMatchObject({ code: 'config_invalid', exitCode: 2, message: expect.stringContaining(what) })
    expect(error.remedy).toMatch(/setForChain: 1 .*limits/)
  })
})

describe('keys', () => {
  test('that may execute and can pay for a trade are taken, to the wei', () => {
    expect(gasCeilingWei(limits)).toBe(5n * 10n ** 16n)
    expect(() => refuseKeys(facts)).not.toThrow()
  })

  test('that cannot pay are named with what they hold and what a trade may cost', () => {
    const keys = facts.keys.map((key) => ({ ...key, balanceWei: key.balanceWei - 1n }))
    const error = refusal(() => refuseKeys({ ...facts, keys }))
    expect(error).toMatchObject({ code: 'config_invalid', remedy: expect.stringMatching(/Fund .*maxGasPerTrade/) })
    expect(error.message).toContain(`${at('2')} has 0.049999999999999999; one trade's gas may cost 0.05 `)
    expect(error.message).not.toContain(at('1'))
  })

  test('that the contract does not know are named', () => {
    const keys = facts.keys.map((key, i) => ({ ...key, allowed: i === 1 }))
    const error = refusal(() => refuseKeys({ ...facts, keys }))
    expect(error).toMatchObject({ code: 'config_invalid', remedy: expect.stringContaining('setExecutor') })
    expect(error.message).toContain(at('1'))
    expect(error.message).not.toContain(at('2'))
  })
})

test('what is at risk is said: chain, contract, keys and balances, per trade, per hour, per day', () => {
  const text = riskOf(facts).join('\n')
  for (const part of [
    'LIVE on mainnet, chain 1, through https://node.example',
    `contract ${at('c')}, our code, owner ${at('d')}\n`,
    `key ${at('1')} holds 1\n`,
    `key ${at('2')} holds 0.05\n`,
    '0.05 of gas (1000000 gas at 50000000000 wei)',
    'loans of 5 WETH a trade, 50 WETH an hour and executor',
    'loans of 2500 USDC a trade, 9000 USDC an hour and executor',
    'at a loss of 0.1, and after 20 failures in a row',
    'all that the keys hold, 1.05, is at risk',
  ])
    expect(text).toContain(part)
  expect(riskOf({ ...facts, owner: at('1') }).join('\n')).toContain('WARNING: one of the hot keys')
})
