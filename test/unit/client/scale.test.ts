import { expect, test } from 'vitest'
import { applyChanges, parseScale, roleNamed } from '../../../src/client/scale.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'
import { testWanted } from '../../fixtures/wanted.ts'

const usage = (message: string, remedy = '') =>
  expect.objectContaining({
    code: 'usage',
    message: expect.stringContaining(message),
    remedy: expect.stringContaining(remedy),
  })

test('a count is set, added or taken away, in the order of the words', () => {
  expect(parseScale(['executor=3', 'planner=+1', 'reviewer=-2', 'fixer=0'])).toEqual([
    { role: 'executor', op: 'set', count: 3 },
    { role: 'planner', op: 'add', count: 1 },
    { role: 'reviewer', op: 'add', count: -2 },
    { role: 'fixer', op: 'set', count: 0 },
  ])
})

test.each([
  'executor',
  'executor=',
  '=3',
  'executor=three',
  'executor=1.5',
  'executor=1e3',
  'executor 3',
  'executor=--1',
])('%j is not a change', (word) => {
  expect(() => parseScale([word])).toThrowError(usage(`"${word}"`, 'executor=3'))
})

test('no change at all is refused', () => {
  expect(() => parseScale([])).toThrowError(usage('at least one'))
})

test('a role that is not one is answered with the nearest, or with all of them', () => {
  expect(() => applyChanges(testWanted(), parseScale(['exectuor=3']))).toThrowError(
    usage('exectuor', 'Did you mean executor?'),
  )
  expect(() => roleNamed('test-writer', ROLE_NAMES)).toThrowError(usage('test-writer', 'Did you mean test_writer?'))
  expect(() => roleNamed('xyzzyx', ROLE_NAMES)).toThrowError(usage('xyzzyx', 'code_indexer, builder'))
  expect(roleNamed('ui_coder', ROLE_NAMES)).toBe('ui_coder')
})

test('changes are applied one after the other and leave the rest, and what was wanted, alone', () => {
  const wanted = testWanted()
  const counts = applyChanges(wanted, parseScale(['executor=3', 'executor=+2', 'planner=-1']))
  expect(counts).toEqual({ ...wanted.counts, executor: 5, planner: 0 })
  expect(wanted.counts.executor).toBe(1)
})

test.each([
  ['admin=2', 'admin would be 2, outside 1 to 1'],
  ['executor=21', 'executor would be 21, outside 1 to 20'],
  ['executor=+20', 'executor would be 21, outside 1 to 20'],
  ['executor=-2', 'executor would be -1, outside 1 to 20'],
])('%s leaves the limits of its role and is refused', (word, message) => {
  expect(() => applyChanges(testWanted(), parseScale([word]))).toThrowError(usage(message, 'Choose a number from 1 to'))
})

test('the limits themselves may be reached', () => {
  expect(applyChanges(testWanted(), parseScale(['executor=20', 'planner=0']))).toMatchObject({
    executor: 20,
    planner: 0,
  })
})
