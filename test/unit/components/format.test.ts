import { describe, expect, test } from 'vitest'
import {
  ageOf,
  formatAge,
  formatAmount,
  formatBytes,
  formatClock,
  formatEth,
  formatProfit,
  shortId,
} from '../../../components/format.ts'

const eth = (text: string) => BigInt(text) * 10n ** 18n

describe('a profit', () => {
  test.each([
    [0n, '0.000000'],
    [eth('1'), '+1.000000'],
    [-eth('1'), '-1.000000'],
    [1_234_567_890_123_456_789n, '+1.234567'],
    [-1_234_567_999_999_999_999n, '-1.234567'],
    [eth('12345678'), '+12,345,678.000000'],
    [1_000_000_000_000n, '+0.000001'],
    [999_999_999_999n, '+999 gwei'],
    [-21_000_000_000n, '-21 gwei'],
    [7n, '+7 wei'],
  ])('of %s wei reads %s', (wei, text) => expect(formatProfit(wei)).toBe(text))

  test('is rounded toward zero, so it never promises more than there is', () => {
    expect(formatProfit(1_999_999_999_999n)).toBe('+0.000001')
    expect(formatProfit(-1_999_999_999_999n)).toBe('-0.000001')
  })

  test('names its unit once', () => {
    expect(formatEth(eth('2'))).toBe('+2.000000 ETH')
    expect(formatEth(5_000_000_000n)).toBe('+5 gwei')
    expect(formatEth(0n)).toBe('0.000000 ETH')
  })
})

test.each([
  [0n, 18, '0'],
  [eth('1234567'), 18, '1,234,567'],
  [eth('100'), 18, '100'],
  [15_500_000_000_000_000_000n, 18, '15.5'],
  [1_234_567n, 6, '1.2345'],
  [5n, 0, '5'],
  [123n, 2, '1.23'],
  [1n, 18, '0'],
])('an amount of %s raw units with %s decimals reads %s', (raw, decimals, text) => {
  expect(formatAmount(raw, decimals)).toBe(text)
})

test.each([
  [-5_000, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [3_600_000, '1h'],
  [47 * 3_600_000, '47h'],
  [48 * 3_600_000, '2d'],
  [Number.NaN, '–'],
])('an age of %s ms reads %s', (ms, text) => expect(formatAge(ms)).toBe(text))

test('an agent that never started has no age', () => expect(ageOf(null, 0)).toBe('–'))

test('a hash is shortened, any other id is not', () => {
  expect(shortId(`0x${'ab'.repeat(32)}`)).toBe('0xabababab…')
  expect(shortId('executor-1')).toBe('executor-1')
})

test('bytes read in MB, then GB', () => {
  expect(formatBytes(482_400_000)).toBe('482 MB')
  expect(formatBytes(1_240_000_000)).toBe('1.2 GB')
})

test('a time that is no time shows as dashes', () => expect(formatClock('soon')).toBe('--:--:--'))
