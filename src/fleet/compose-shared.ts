import { ANCHOR, MERGE, type Yaml, type YamlMap } from './yaml-text.ts'

/** Entries of these are taken over one by one, not as a whole. */
const INNER = ['environment', 'labels']

/** What all of them have in common, as they have it. */
export function inCommon(services: readonly YamlMap[]): YamlMap {
  const [first = {}, ...others] = services
  const entries = Object.entries(first).flatMap(([key, value]): [string, Yaml][] => {
    const values = others.map((other) => other[key])
    if (values.every((other) => same(other, value))) return [[key, value]]
    return INNER.includes(key) && values.every(isMap) ? [[key, inCommon([value as YamlMap, ...values])]] : []
  })
  return Object.fromEntries(entries)
}

/** What a service says beyond `base`, which has an anchor of this name. */
export function beyond(service: YamlMap, base: YamlMap, anchor: string): YamlMap {
  const own = Object.entries(service).filter(([key, value]) => !same(base[key], value))
  return {
    [MERGE]: anchor,
    ...Object.fromEntries(
      own.map(([key, value]): [string, Yaml] => {
        const taken = base[key]
        const merges = INNER.includes(key) && isMap(taken) && isMap(value)
        return [key, merges ? beyond(value, taken, innerAnchor(anchor, key)) : value]
      }),
    ),
  }
}

/** Gives the map an anchor for `beyond`, and one to each map in it; `from` is the anchor that it takes over itself. */
export function anchored(name: string, map: YamlMap, from?: string): YamlMap {
  const inner = INNER.map((key): [string, Yaml] => {
    const otherwise: YamlMap = from === undefined ? {} : { [MERGE]: innerAnchor(from, key) }
    const value = map[key]
    return [key, { ...(isMap(value) ? value : otherwise), [ANCHOR]: innerAnchor(name, key) }]
  })
  return { ...map, ...Object.fromEntries(inner), [ANCHOR]: name }
}

const innerAnchor = (anchor: string, key: string): string => `${anchor}-${key}`

const isMap = (value: unknown): value is YamlMap => typeof value === 'object' && value !== null && !Array.isArray(value)

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
