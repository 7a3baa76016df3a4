import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventText } from '../../../src/cli/event-text.ts'
import { coin, megabytes, shortHash, table, timeOf } from '../../../src/cli/text.ts'
import { type FleetEvent, FleetEventSchema } from '../../../src/protocol/event.ts'
import { wei } from '../../../src/protocol/units.ts'
import { hash, miniCounts } from '../../fixtures/fake-client.ts'

describe('a table', () => {
  test('has columns as wide as their widest cell, numbers to the right, nothing at the end of a line', () => {
    const rows = [
      ['executor', 3, '-'],
      ['a', 12, 'x'],
    ]
    expect(table(['ROLE', 'WANT', 'MB'], rows).split('\n')).toEqual([
      'ROLE      WANT  MB',
      'executor     3  -',
      'a           12  x',
    ])
  })

  test('a dash stands where a number is not known, and keeps the column to the right', () => {
    expect(table(['N'], [['-'], [1234]]).split('\n')).toEqual(['   N', '   -', '1234'])
  })

  test('without rows is its head', () => {
    expect(table(['ROLE', 'WANT'], [])).toBe('ROLE  WANT')
  })
})

describe('an amount of the native coin', () => {
  test.each([
    [0n, '0'],
    [1n, '0.000000000000000001'],
    [-1n, '-0.000000000000000001'],
    [10n ** 18n, '1'],
    [-(25n * 10n ** 17n), '-2.5'],
    [123456789n * 10n ** 18n + 1n, '123456789.000000000000000001'],
  ])('%s wei is %s', (amount, text) => {
    expect(coin(amount)).toBe(text)
  })

  test('loses nothing', () => {
    fc.assert(
      fc.property(fc.bigInt(-(10n ** 40n), 10n ** 40n), (amount) => {
        const [, sign, whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d{1,18}))?$/.exec(coin(amount)) ?? []
        const back = BigInt(whole) * 10n ** 18n + BigInt(fraction.padEnd(18, '0'))
        expect(sign === '-' ? -back : back).toBe(amount)
      }),
    )
  })
})

test('bytes are whole megabytes, or a dash', () => {
  expect([megabytes(null), megabytes(0), megabytes(134_217_728)]).toEqual(['-', 0, 128])
})

test('a hash is cut, a time is its time of day', () => {
  expect(shortHash(`0x12345678${'0'.repeat(56)}`)).toBe('0x12345678…')
  expect(timeOf('2026-01-02T03:04:05.678Z')).toBe('03:04:05')
})

const at = '2026-01-02T03:04:05.000Z'
const id = hash(1)
const EVENTS: readonly (readonly [FleetEvent, string])[] = [
  [{ type: 'service', at, name: 'hub', state: 'healthy', note: 'at 3000' }, 'hub: healthy (at 3000)'],
  [{ type: 'agent', at, id: 'executor-1', role: 'executor', state: 'standby' }, 'executor-1: standby'],
  [
    { type: 'opportunity', at, id, profitWei: wei(10n ** 17n), block: 7, route: 'A → B', sizeRaw: '1' },
    `${id.slice(0, 10)}… +0.1 at block 7  A → B`,
  ],
  [
    {
      type: 'trade',
      at,
      id,
      stage: 'plan',
      outcome: 'refused',
      attempt: 2,
      agent: 'planner-1',
      reason: 'taken',
      ms: 1,
    },
    `${id.slice(0, 10)}… plan refused (attempt 2) by planner-1: taken`,
  ],
  [
    {
      type: 'execution',
      at,
      id,
      tx: id,
      block: 9,
      profitWei: wei(-1n),
      predictedWei: wei(2n),
      gasWei: wei(0n),
      exact: false,
    },
    `${id.slice(0, 10)}… paid -0.000000000000000001, predicted 0.000000000000000002 (NOT EQUAL), gas 0, block 9`,
  ],
  [
    {
      ...{ type: 'execution_corrected', at, id, attempt: 1, correction: 1, was: 'executed', status: 'missed' },
      ...{ tx: null, block: null, profitWei: wei(0n), gasWei: wei(0n), reason: 'block 9 is gone' },
      ...{ profitDeltaWei: wei(-1n), gasDeltaWei: wei(0n) },
    },
    `${id.slice(0, 10)}… was executed, is missed: paid 0, gas 0: block 9 is gone`,
  ],
  [{ type: 'scale', at, counts: miniCounts(), profile: 'mini', by: 'operator' }, 'code_indexer=1 builder=1'],
  [
    { type: 'autoscale', at, role: 'planner', from: 2, to: 4, cause: '16 messages wait' },
    'planner 2 → 4: 16 messages wait',
  ],
  [{ type: 'step', at, kind: 'start', id: 'bot', cause: 'wanted and not there' }, 'start bot: wanted and not there'],
  [
    { type: 'failure', at, id: 'bot', cause: 'exited with 1', lines: ['a', 'no bus'], count: 3, waitMs: 1_900 },
    'bot exited with 1 (3 times in a row); starts again in 2 s: no bus',
  ],
  [{ type: 'halt', at, set: true, reason: 'odd', by: 'operator' }, 'halted by operator: odd'],
  [{ type: 'halt', at, set: false, reason: null, by: 'operator' }, 'resumed by operator'],
  [{ type: 'chain', at, chainInstance: 'abc', chainId: 31337, state: 'ready' }, '31337 ready (abc)'],
  [{ type: 'note', at, level: 'warn', from: 'hub', message: 'slow' }, 'warn from hub: slow'],
]

test.each(EVENTS)('an event is one line with its time and its kind: $type', (event, detail) => {
  const line = eventText(event)
  expect(line).not.toContain('\n')
  expect(line.startsWith(`03:04:05  ${event.type.padEnd(11)}  ${detail}`)).toBe(true)
})

test('every kind of event has been looked at', () => {
  const kinds = FleetEventSchema.options.map((option) => option.shape.type.value)
  expect([...new Set(EVENTS.map(([event]) => event.type))].sort()).toEqual([...kinds].sort())
})
