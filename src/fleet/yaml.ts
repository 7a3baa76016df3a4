import { readFileSync } from 'node:fs'
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'
import { FleetError } from '../protocol/errors.ts'
import { nearest } from '../protocol/nearest.ts'

export interface Fault {
  line: number
  text: string
}

type Path = readonly PropertyKey[]
/** The line of the value at a path, or of the deepest part of it that is there. */
export type LineOf = (path: Path) => number

/** What a kind of file is called in its faults, and what is checked beside its schema. */
export interface FileKind<S extends z.ZodType> {
  schema: S
  /** `the manifest` */
  noun: string
  /** What to do when the file cannot be read. */
  missing: string
  /** What to do about its faults. */
  remedy: string
  /** Faults that the schema cannot see. */
  more?(value: unknown, lineOf: LineOf): Fault[]
}

/** @throws FleetError `config_invalid` listing every fault at once, each with its line and its remedy */
export function readYaml<S extends z.ZodType>(file: string, kind: FileKind<S>): z.output<S> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new FleetError('config_invalid', `${kind.noun} ${file} cannot be read`, { remedy: kind.missing, cause })
  }
  return parseYaml(text, file, kind)
}

/** `readYaml` of text; `file` is only named in faults. */
export function parseYaml<S extends z.ZodType>(text: string, file: string, kind: FileKind<S>): z.output<S> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const broken = document.errors.map((error) => ({
    line: error.linePos?.[0].line ?? 1,
    text: `not YAML: ${error.message.split('\n')[0]}`,
  }))
  if (broken.length > 0) throw invalid(file, broken, kind)
  const value = plain(document, file, kind)
  const parsed = kind.schema.safeParse(value)
  const lineOf = (path: Path) => lineAt(document.contents, path, lines)
  const faults = parsed.success ? [] : parsed.error.issues.flatMap((issue) => issueFaults(issue, value, lineOf, kind))
  faults.push(...(kind.more?.(value, lineOf) ?? []))
  if (!parsed.success || faults.length > 0) throw invalid(file, faults, kind)
  return parsed.data
}

type AnyKind = Pick<FileKind<z.ZodType>, 'noun' | 'remedy' | 'schema'>

/** Aliases are resolved here: one that names nothing, or a bomb of them, is a fault of the file. */
function plain(document: Document, file: string, kind: AnyKind): unknown {
  try {
    return document.toJS()
  } catch (cause) {
    const text = `its aliases cannot be resolved: ${(cause as Error).message}; write the values out`
    throw invalid(file, [{ line: 1, text }], kind)
  }
}

function invalid(file: string, faults: readonly Fault[], { noun, remedy }: AnyKind): FleetError {
  const list = [...faults].sort((a, b) => a.line - b.line).map((fault) => `${file}:${fault.line}: ${fault.text}`)
  return new FleetError(
    'config_invalid',
    `${noun} has ${list.length === 1 ? 'a fault' : `${list.length} faults`}\n${list.join('\n')}`,
    { remedy },
  )
}

function issueFaults(issue: z.core.$ZodIssue, value: unknown, lineOf: LineOf, kind: AnyKind): Fault[] {
  const where = issue.path.join('.') || kind.noun
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const guess = nearest(key, keysAt(kind.schema, issue.path))
      return {
        line: lineOf([...issue.path, key]),
        text: `unknown key "${key}" in ${where}; ${guess ? `did you mean ${guess}?` : 'remove it'}`,
      }
    })
  }
  const text = issue.code === 'invalid_key' ? issue.issues.map(({ message }) => message).join(', ') : issue.message
  const missing = issue.path.length > 0 && at(value, issue.path) === undefined
  return [{ line: lineOf(issue.path), text: missing ? `${where} is missing; ${wantOf(text)}` : `${where}: ${text}` }]
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce((inner, part) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[part], value)

const wantOf = (message: string): string =>
  message.replace(/^Invalid \w+: expected /, 'want ').replace(/, received undefined$/, '')

/** The keys that an object at this path of a schema may have. */
function keysAt(schema: unknown, path: Path): readonly string[] {
  let inner = unwrapped(schema)
  for (const part of path) {
    if (inner instanceof z.ZodObject) inner = unwrapped(inner.shape[String(part)])
    else if (inner instanceof z.ZodRecord) inner = unwrapped(inner.valueType)
    else if (inner instanceof z.ZodArray) inner = unwrapped(inner.element)
    else return []
  }
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : []
}

const unwrapped = (schema: unknown): unknown =>
  schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? unwrapped(schema.unwrap()) : schema

/** Line of the value at a path, or of the deepest part of it that is there. */
function lineAt(root: Node | null, path: Path, lines: LineCounter): number {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  for (const part of path) {
    const next = stepInto(node, part)
    if (!next) break
    offset = next.offset ?? offset
    node = next.node
  }
  return lines.linePos(offset).line
}

function stepInto(node: unknown, part: PropertyKey): { node: unknown; offset: number | undefined } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(part)] as Node | undefined
    return item && { node: item, offset: item.range?.[0] }
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part))
  return pair && { node: pair.value, offset: (pair.key as Node).range?.[0] }
}

/** The entries of what may be no object at all: files are checked before they are known to be right. */
export const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []
