import { FleetError } from '../protocol/errors.ts'
import { type Counts, ROLE_NAMES, type RoleName, type Wanted } from '../protocol/fleet.ts'
import { nearest } from '../protocol/nearest.ts'
import type { ScaleChange } from './client.ts'

/** Reads `executor=3`, `planner=+1`, `reviewer=-1`. @throws FleetError `usage` */
export function parseScale(words: readonly string[]): ScaleChange[] {
  if (words.length === 0)
    throw new FleetError('usage', 'scale needs at least one ROLE=N', {
      remedy: 'For example: arbdeck scale executor=3 planner=+1',
    })
  return words.map((word) => {
    const match = /^([^=]+)=([+-]?)(\d+)$/.exec(word)
    if (!match)
      throw new FleetError('usage', `"${word}" is not ROLE=N, ROLE=+N or ROLE=-N with a whole number`, {
        remedy: 'For example: arbdeck scale executor=3 planner=+1',
      })
    const [, name = '', sign, digits] = match
    const count = Number(`${sign}${digits}`)
    if (!Number.isSafeInteger(count))
      throw new FleetError('usage', `${word} asks for too many`, {
        remedy: 'arbdeck ps shows how many there are; max in the manifest bounds each role.',
      })
    return { role: roleNamed(name), op: sign ? 'add' : 'set', count }
  })
}

/** @throws FleetError `usage` naming the nearest role */
export function roleNamed(name: string): RoleName {
  const role = ROLE_NAMES.find((candidate) => candidate === name)
  if (role) return role
  const guess = nearest(name, ROLE_NAMES)
  throw new FleetError('usage', `there is no role "${name}"`, {
    remedy: guess ? `Did you mean ${guess}?` : `The roles are ${ROLE_NAMES.join(', ')}.`,
  })
}

/** Counts after the changes, in their order. @throws FleetError `usage` when one leaves 0…max of its role */
export function applyChanges(wanted: Wanted, changes: readonly ScaleChange[]): Counts {
  const counts = { ...wanted.counts }
  for (const { role, op, count } of changes) {
    const next = op === 'add' ? counts[role] + count : count
    const { max } = wanted.spec.roles[role]
    if (next < 0 || next > max)
      throw new FleetError('usage', `${role} would be ${next}, outside 0 to ${max}`, {
        remedy: `Choose a number from 0 to ${max}, or raise max of ${role} in the manifest.`,
      })
    counts[role] = next
  }
  return counts
}
