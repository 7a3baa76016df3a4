import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseReplicaId, ReplicaIdSchema } from '../../../src/protocol/fleet.ts'
import { nearest } from '../../../src/protocol/nearest.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'

const WORDS = ['status', 'scale', 'stop', 'start', 'logs', 'events'] as const

test.each([
  ['statsu', 'status'],
  ['satus', 'status'],
  ['statuss', 'status'],
  ['SCALE', 'scale'],
  ['lgos', 'logs'],
  ['event', 'events'],
  ['stopp', 'stop'],
])('%s is most like %s', (word, meant) => {
  expect(nearest(word, WORDS)).toBe(meant)
})

test('two neighbours that changed places are one mistake, not two', () => {
  expect(nearest('lgos', ['lags', 'logs'])).toBe('logs')
})

test('a word like none of them has no nearest, and neither has any word among none', () => {
  expect(nearest('xyzzyxyzzy', WORDS)).toBeUndefined()
  expect(nearest('status', [])).toBeUndefined()
})

test('a word that is one of them is its own nearest, and stays so after any one mistake', () => {
  fc.assert(
    fc.property(fc.constantFrom(...ROLE_NAMES), fc.nat(), fc.constantFrom('drop', 'double', 'swap'), (role, n, how) => {
      expect(nearest(role, ROLE_NAMES)).toBe(role)
      const i = n % (role.length - 1)
      const [before, one = '', two = '', after] = [role.slice(0, i), role[i], role[i + 1], role.slice(i + 2)]
      const mistaken = {
        drop: before + two + after,
        double: before + one + one + two + after,
        swap: before + two + one + after,
      }
      expect(nearest(mistaken[how], ROLE_NAMES)).toBe(role)
    }),
  )
})

test('the id of a replica is its role and its number from one, and nothing else is one', () => {
  expect(parseReplicaId('code_indexer-12')).toEqual({ role: 'code_indexer', replica: 12 })
  for (const id of ['executor', 'executor-0', 'executor-01', 'executor--1', 'hub-1', 'executor-1x', ' executor-1', ''])
    expect(ReplicaIdSchema.safeParse(id).success, id).toBe(false)
  expect(parseReplicaId('bot')).toBeUndefined()
})
