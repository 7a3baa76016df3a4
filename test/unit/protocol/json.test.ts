import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { decode, parse, stringify, toJson } from '../../../src/protocol/json.ts'
import {
  AddressSchema,
  BigIntSchema,
  HashSchema,
  HexSchema,
  now,
  Timestamp,
  WeiSchema,
} from '../../../src/protocol/schemas.ts'
import { OpportunitySchema } from '../../../src/protocol/trade.ts'
import { fakeOpportunity } from '../../fixtures/fake-client.ts'

test('every bigint comes back as it was, however large, also below zero', () => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 300n), 2n ** 300n), (value) => {
      expect(parse(z.object({ value: BigIntSchema }), stringify({ value }), 'it')).toEqual({ value })
    }),
  )
})

test('a whole document with amounts in it comes back as it was', () => {
  const opportunity = fakeOpportunity(3, 0, Date.now())
  expect(decode(OpportunitySchema, toJson(opportunity), 'it')).toEqual(opportunity)
})

test('as JSON a value is a copy, amounts as decimal strings, nothing stays nothing', () => {
  const value = { amount: 5n, list: [1n, { deep: -2n }], text: 'x', none: null }
  expect(toJson(value)).toEqual({ amount: '5', list: ['1', { deep: '-2' }], text: 'x', none: null })
  expect(toJson(undefined)).toBeUndefined()
  expect(stringify({ a: 1n }, 2)).toBe('{\n  "a": "1"\n}')
})

test.each(['1.5', '1e3', '', ' 1', '0x1', '+1', '--1', 'one', 1, null, 5n])(
  'an amount is a whole number in a string: %s is none',
  (text) => {
    expect(() => decode(WeiSchema, text, 'the profit')).toThrowError(
      expect.objectContaining({ code: 'malformed', message: expect.stringContaining('the profit is malformed') }),
    )
  },
)

test('what is malformed is named, every fault of it, on one line, with what to do', () => {
  const schema = z.object({ amountWei: WeiSchema, at: Timestamp, count: z.int() })
  try {
    decode(schema, { amountWei: '1.5', at: 'yesterday', count: 2.5 }, 'totals in shared memory')
    expect.fail('it was taken')
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'malformed', remedy: expect.stringMatching(/\S/) })
    const { message } = thrown as Error
    for (const part of ['totals in shared memory', 'amountWei', 'at', 'count']) expect(message).toContain(part)
    expect(message).not.toContain('\n')
  }
})

test('text that is not JSON is malformed too', () => {
  expect(() => parse(z.unknown(), '{', 'the file')).toThrowError(
    expect.objectContaining({ code: 'malformed', message: 'the file is not JSON' }),
  )
})

describe('hexadecimal is lower-case and of its exact length', () => {
  const address = `0x${'ab'.repeat(20)}`
  const hash = `0x${'cd'.repeat(32)}`

  test.each([
    ['an address', AddressSchema, address],
    ['a hash', HashSchema, hash],
    ['bytes', HexSchema, '0xabc123'],
    ['no bytes', HexSchema, '0x'],
  ])('%s', (_what, schema, text) => {
    expect(schema.safeParse(text).success).toBe(true)
    expect(schema.safeParse(text.replace('0x', '')).success).toBe(false)
    expect(schema.safeParse(`${text}G`).success).toBe(false)
    expect(schema.safeParse(`${text}\n`).success).toBe(false)
    if (/[a-f]/.test(text)) expect(schema.safeParse(`0x${text.slice(2).toUpperCase()}`).success).toBe(false)
  })

  test('an address is not a hash, nor one digit more or less', () => {
    expect(HashSchema.safeParse(address).success).toBe(false)
    expect(AddressSchema.safeParse(hash).success).toBe(false)
    expect(AddressSchema.safeParse(address.slice(0, -1)).success).toBe(false)
    expect(AddressSchema.safeParse(`${address}0`).success).toBe(false)
  })
})

test('a time is ISO 8601 in UTC, and now is one', () => {
  expect(Timestamp.safeParse(now()).success).toBe(true)
  for (const text of ['2026-01-01', '2026-01-01T00:00:00', '2026-01-01T00:00:00+01:00', 'now'])
    expect(Timestamp.safeParse(text).success).toBe(false)
})
