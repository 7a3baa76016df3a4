import type { Tracked } from '../pools/logs.ts'

/**
 * What differs between the state that is known of a pool and the one that was read, as text: `reserve0 5, the chain says
 * 6`. Empty when they are equal to the bit.
 */
export function differences(known: Tracked, read: Tracked): string[] {
  const texts = fieldsOf(known.pool, read.pool)
  if (!equal({ ...known, pool: 0 }, { ...read, pool: 0 })) texts.push('gross liquidity of ticks')
  return texts
}

function fieldsOf(known: object, read: object): string[] {
  const ours = new Map(Object.entries(known))
  const theirs = new Map(Object.entries(read))
  return [...new Set([...ours.keys(), ...theirs.keys()])].flatMap((name) => {
    const [one, other] = [ours.get(name), theirs.get(name)]
    if (equal(one, other)) return []
    return [isRecord(one) && isRecord(other) ? parts(name, one, other) : `${name} ${one}, the chain says ${other}`]
  })
}

/** At most three entries of a table: the others are counted. */
function parts(name: string, one: object, other: object): string {
  const texts = fieldsOf(one, other)
  const more = texts.length > 3 ? ` and ${texts.length - 3} more` : ''
  return `${name} (${texts.slice(0, 3).join('; ')}${more})`
}

const isRecord = (value: unknown): value is object => typeof value === 'object' && value !== null

function equal(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (!isRecord(one) || !isRecord(other)) return false
  const [ours, theirs] = [Object.entries(one), new Map(Object.entries(other))]
  return ours.length === theirs.size && ours.every(([key, value]) => theirs.has(key) && equal(value, theirs.get(key)))
}
