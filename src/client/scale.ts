import { refuseImages } from '../fleet/image-role.ts'
import { FleetError } from '../protocol/errors.ts'
import {
  type Counts,
  type Profile,
  profileCounts,
  type RoleName,
  roleNames,
  roleSpec,
  type Wanted,
} from '../protocol/fleet.ts'
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
    return { role: name, op: sign ? 'add' : 'set', count }
  })
}

/** @param roles those of the fleet. @throws FleetError `usage` naming the nearest role */
export function roleNamed(name: string, roles: readonly RoleName[]): RoleName {
  if (roles.includes(name)) return name
  const guess = nearest(name, roles)
  throw new FleetError('usage', `there is no role "${name}"`, {
    remedy: guess ? `Did you mean ${guess}?` : `The roles are ${roles.join(', ')}.`,
  })
}

export const changeText = ({ role, op, count }: ScaleChange): string =>
  `${role}=${op === 'add' && count >= 0 ? '+' : ''}${count}`

/** What is wanted after the changes, in their order; a profile is put on first. @throws FleetError as `applyChanges` does */
export function scaled(wanted: Wanted, changes: readonly ScaleChange[], profile?: Profile): Wanted {
  if (changes.length === 0 && profile === undefined) return wanted
  const base = profile === undefined ? wanted : { ...wanted, profile, counts: profileCounts(wanted.spec, profile) }
  return { ...base, counts: applyChanges(base, changes) }
}

/** Counts after the changes, in their order. @throws FleetError `usage` when one leaves min…max of its role, or names none; `unsupported` for images on the embedded engine */
export function applyChanges(wanted: Wanted, changes: readonly ScaleChange[]): Counts {
  const counts = { ...wanted.counts }
  for (const { role, op, count } of changes) {
    const { min, max } = roleSpec(wanted.spec, roleNamed(role, roleNames(wanted.spec)))
    const next = op === 'add' ? (counts[role] ?? 0) + count : count
    if (next < min || next > max)
      throw new FleetError('usage', `${role} would be ${next}, outside ${min} to ${max}`, {
        remedy: `Choose a number from ${min} to ${max}, or change min and max of ${role} in the manifest.`,
      })
    counts[role] = next
  }
  if (wanted.engine === 'embedded') refuseImages(wanted.spec, counts)
  return counts
}
