import { Alias, Document, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'

/** On an object: the name under which others take its entries over. */
export const ANCHOR = Symbol('anchor')
/** On an object: whose entries it takes over, besides its own. */
export const MERGE = Symbol('merge')

/** What can be written: objects, lists, texts, numbers, booleans. */
export type Yaml = string | number | boolean | readonly Yaml[] | YamlMap
export interface YamlMap {
  readonly [key: string]: Yaml
  readonly [ANCHOR]?: string
  readonly [MERGE]?: string
}

/** What is so short, as JSON, stands in one line. */
const ONE_LINE = 110

/** YAML that means the same to readers of YAML 1.1 and of 1.2; keys in the order in which they were given. */
export function yamlText(value: YamlMap): string {
  const document = new Document(null, { version: '1.1', merge: true })
  document.contents = nodeOf(value)
  return document.toString({ lineWidth: 0, flowCollectionPadding: false })
}

function nodeOf(value: Yaml): Scalar | YAMLSeq | YAMLMap {
  if (typeof value !== 'object') return new Scalar(value)
  return isList(value) ? listOf(value) : mapOf(value)
}

const isList = (value: object): value is readonly Yaml[] => Array.isArray(value)

function listOf(values: readonly Yaml[]): YAMLSeq {
  const list = new YAMLSeq()
  list.flow = fitsOneLine(values)
  for (const each of values) list.add(nodeOf(each))
  return list
}

function mapOf(value: YamlMap): YAMLMap {
  const map = new YAMLMap()
  map.flow = fitsOneLine(value)
  if (value[ANCHOR] !== undefined) map.anchor = value[ANCHOR]
  if (value[MERGE] !== undefined) map.add(new Pair(new Scalar('<<'), new Alias(value[MERGE])))
  for (const [key, entry] of Object.entries(value)) map.add(new Pair(new Scalar(key), nodeOf(entry)))
  return map
}

const fitsOneLine = (value: Yaml): boolean => !hasNames(value) && JSON.stringify(value).length < ONE_LINE

const hasNames = (value: Yaml): boolean =>
  typeof value === 'object' &&
  (isList(value) ? value.some(hasNames) : isNamed(value) || Object.values(value).some(hasNames))

const isNamed = (map: YamlMap): boolean => map[ANCHOR] !== undefined || map[MERGE] !== undefined
