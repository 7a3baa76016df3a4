import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'
import { FleetError } from '../protocol/errors.ts'
import { type FleetSpec, FleetSpecSchema, ROLE_NAMES } from '../protocol/fleet.ts'
import { stringify } from '../protocol/json.ts'
import { nearest } from '../protocol/nearest.ts'

const PORT_MAX = 65_535

interface Fault {
  line: number
  text: string
}

/**
 * Reads and checks a fleet manifest.
 * @throws FleetError `config_invalid` listing every fault at once, each with its line and its remedy
 */
export function readSpec(file: string): FleetSpec {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new FleetError('config_invalid', `the manifest ${file} cannot be read`, {
      remedy: 'Pass --manifest with a file that exists, or leave it out for config/fleet.yaml.',
      cause,
    })
  }
  return parseSpec(text, file)
}

/** `readSpec` of text; `file` is only named in faults. */
export function parseSpec(text: string, file: string): FleetSpec {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const broken = document.errors.map((error) => ({
    line: error.linePos?.[0].line ?? 1,
    text: `not YAML: ${error.message.split('\n')[0]}`,
  }))
  if (broken.length > 0) throw invalid(file, broken)
  const manifest = plain(document, file)
  const parsed = FleetSpecSchema.safeParse(manifest)
  const lineOf = (path: readonly PropertyKey[]) => lineAt(document.contents, path, lines)
  const faults = parsed.success ? [] : parsed.error.issues.flatMap((issue) => issueFaults(issue, lineOf))
  faults.push(...portFaults(manifest, lineOf), ...countFaults(manifest, lineOf))
  if (!parsed.success || faults.length > 0) throw invalid(file, faults)
  return parsed.data
}

/** Aliases are resolved here: one that names nothing, or a bomb of them, is a fault of the file. */
function plain(document: Document, file: string): unknown {
  try {
    return document.toJS()
  } catch (cause) {
    throw invalid(file, [
      { line: 1, text: `its aliases cannot be resolved: ${(cause as Error).message}; write the values out` },
    ])
  }
}

/** What labels the containers made from this spec; 12 hex digits. */
export function specHash(spec: FleetSpec): string {
  return createHash('sha256').update(stringify(spec)).digest('hex').slice(0, 12)
}

function invalid(file: string, faults: readonly Fault[]): FleetError {
  const list = [...faults].sort((a, b) => a.line - b.line).map((fault) => `${file}:${fault.line}: ${fault.text}`)
  return new FleetError(
    'config_invalid',
    `the manifest has ${list.length === 1 ? 'a fault' : `${list.length} faults`}\n${list.join('\n')}`,
    {
      remedy: 'Correct the lines named; config/fleet.yaml in the repository is a working example.',
    },
  )
}

function issueFaults(issue: z.core.$ZodIssue, lineOf: (path: readonly PropertyKey[]) => number): Fault[] {
  const where = issue.path.join('.') || 'the manifest'
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const guess = issue.path.length === 1 && issue.path[0] === 'roles' ? nearest(key, ROLE_NAMES) : undefined
      return {
        line: lineOf([...issue.path, key]),
        text: `unknown key "${key}" in ${where}; ${guess ? `did you mean ${guess}?` : 'remove it'}`,
      }
    })
  }
  return [{ line: lineOf(issue.path), text: `${where}: ${issue.message}` }]
}

/** Overlapping port ranges, also in a manifest that has other faults. */
function portFaults(manifest: unknown, lineOf: (path: readonly PropertyKey[]) => number): Fault[] {
  const roles = Object.entries(
    (manifest as { roles?: Record<string, { firstPort?: unknown; max?: unknown }> } | null)?.roles ?? {},
  )
    .flatMap(([role, spec]) =>
      typeof spec?.firstPort === 'number' && typeof spec.max === 'number'
        ? [{ role, first: spec.firstPort, last: spec.firstPort + spec.max - 1 }]
        : [],
    )
    .sort((a, b) => a.first - b.first)
  const faults: Fault[] = []
  let highest: (typeof roles)[number] | undefined
  for (const range of roles) {
    const at = lineOf(['roles', range.role, 'firstPort'])
    if (range.last > PORT_MAX)
      faults.push({
        line: at,
        text: `the ports of ${range.role} (${range.first}-${range.last}) go past ${PORT_MAX}; move firstPort down or lower max`,
      })
    if (highest && range.first <= highest.last) {
      faults.push({
        line: at,
        text: `the ports of ${range.role} (${range.first}-${range.last}) overlap those of ${highest.role} (${highest.first}-${highest.last}); move firstPort above ${highest.last} or lower max of ${highest.role}`,
      })
    }
    if (!highest || range.last > highest.last) highest = range
  }
  return faults
}

/** Counts above the role's max. */
function countFaults(manifest: unknown, lineOf: (path: readonly PropertyKey[]) => number): Fault[] {
  const roles =
    (manifest as { roles?: Record<string, { max?: unknown; counts?: Record<string, unknown> } | null> } | null)
      ?.roles ?? {}
  return Object.entries(roles).flatMap(([role, spec]) =>
    Object.entries(spec?.counts ?? {}).flatMap(([profile, count]) =>
      typeof count === 'number' && typeof spec?.max === 'number' && count > spec.max
        ? [
            {
              line: lineOf(['roles', role, 'counts', profile]),
              text: `roles.${role}.counts.${profile} is ${count}, above max ${spec.max}; raise max or lower it`,
            },
          ]
        : [],
    ),
  )
}

/** Line of the value at a path, or of the deepest part of it that is there. */
function lineAt(root: Node | null, path: readonly PropertyKey[], lines: LineCounter): number {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  for (const part of path) {
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part))
    if (!pair) break
    offset = (pair.key as Node).range?.[0] ?? offset
    node = pair.value
  }
  return lines.linePos(offset).line
}
