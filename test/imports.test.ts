import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/**
 * The import rules of the architecture, as a table: what files of a room may import besides their own room. The longest
 * room that a path begins with is its room. A port is imported by its interface only, but for the rooms that open ports.
 */
const INTERFACES = [
  'src/ports/engine/engine.ts',
  'src/ports/engine/provision.ts',
  'src/ports/bus/bus.ts',
  'src/ports/memory/memory.ts',
  'src/ports/memory/typed.ts',
  'src/ports/history/history.ts',
]
const EVERYTHING = ['src', 'components', 'agent']
const ROLE = ['src/protocol', ...INTERFACES, 'agent/dex', 'zod']

const RULES: Record<string, readonly string[]> = {
  src: EVERYTHING, // main.ts and service.ts
  'src/launch': EVERYTHING,
  'src/protocol': ['zod'],
  'src/ports': ['src/protocol'], // what ports share
  'src/ports/engine': ['src/protocol', 'src/ports/opening.ts', 'dockerode'],
  'src/ports/bus': ['src/protocol', 'src/ports/opening.ts', 'amqplib'],
  'src/ports/memory': ['src/protocol', 'src/ports/opening.ts', 'zod', 'ioredis'],
  'src/ports/history': ['src/protocol', 'src/ports/opening.ts', 'zod', 'pg', '@electric-sql/pglite'],
  'src/fleet': ['src/protocol', ...INTERFACES, 'src/fleet/yaml.ts', 'src/fleet/yaml-text.ts', 'zod'],
  'src/fleet/yaml-text.ts': ['yaml'],
  'src/fleet/yaml.ts': ['src/protocol', 'zod', 'yaml'],
  'src/feed': ['src/protocol', ...INTERFACES, 'zod'],
  'src/mcp': ['src/protocol', '@modelcontextprotocol/sdk'],
  'src/hub': ['src/protocol', 'src/mcp', ...INTERFACES, 'zod', '@modelcontextprotocol/sdk'],
  'src/client': ['src/protocol', 'src/fleet', 'src/feed', 'src/mcp', ...INTERFACES, 'zod'],
  'src/cli': ['src/protocol', 'src/client', 'components', 'zod', 'yargs'],
  components: ['src/protocol', 'src/client', 'ink', 'react', 'blessed', 'blessed-contrib'],
  agent: [
    'src/protocol',
    'src/mcp',
    ...INTERFACES,
    'agent/dex',
    'agent/project',
    'agent/roles',
    'zod',
    '@modelcontextprotocol/sdk',
  ],
  'agent/dex': ['src/protocol', 'ethers', 'ws'],
  'agent/project': ROLE,
  'agent/roles': ['agent', 'agent/project', ...ROLE, 'ethers'],
  'agent/market': [...ROLE, 'ethers'],
  'agent/sandbox': [...ROLE, 'ethers'],
}
/** `agent` allows the files of agent/ itself, not the rooms in it. */
const ROOMS = Object.keys(RULES).sort((a, b) => b.length - a.length)

const root = fileURLToPath(new URL('..', import.meta.url))

/** The room of a file, or of a folder's own files. */
function roomOf(file: string): string {
  return ROOMS.find((room) => file === room || file.startsWith(`${room}/`)) ?? path.dirname(file)
}

/** Files and packages that a source names: static, side-effect and dynamic imports, re-exports, require, import types. */
export function importsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const named = /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g
  const bare = /\bimport\s*['"]([^'"]+)['"]/g
  const called = /\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g
  return [named, bare, called].flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] as string))
}

/** Where a relative import leads, from the root; a package by its name; undefined for Node's own modules. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined
  if (specifier.startsWith('.')) return path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** What is wrong with one import, or undefined. */
export function fault(file: string, specifier: string): string | undefined {
  const target = targetOf(file, specifier)
  if (target === undefined) return undefined
  const room = roomOf(file)
  const allowed = RULES[room]
  if (allowed === undefined) return `${file}: no room of the table holds it`
  const why = specifier.startsWith('.') ? faultOfFile(target, room, allowed) : faultOfPackage(target, room, allowed)
  return why && `${file} → ${target}: ${why}`
}

function faultOfFile(target: string, room: string, allowed: readonly string[]): string | undefined {
  if (target.startsWith('test/')) return 'no test file may be imported by product code'
  if (!/\.(ts|tsx|mjs)$/.test(target)) return 'the extension is missing'
  if (allowed === EVERYTHING) return undefined
  const to = roomOf(target)
  if (to === room || allowed.includes(target) || allowed.includes(to)) return undefined
  return `${room} may import ${allowed.join(', ')}`
}

function faultOfPackage(name: string, room: string, allowed: readonly string[]): string | undefined {
  if (allowed.includes(name)) return undefined
  return allowed === EVERYTHING
    ? `${room} only wires rooms together: a vendor library belongs to its room`
    : `${room} may import ${allowed.join(', ')}`
}

function sources(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`
    if (entry.isDirectory()) return sources(file)
    return /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts') ? [file] : []
  })
}

const product = EVERYTHING.flatMap(sources)
const imports = product.flatMap((file) =>
  importsOf(readFileSync(path.join(root, file), 'utf8')).map((specifier) => ({ file, specifier })),
)

describe('imports', () => {
  test('go only as the table of the architecture says', () => {
    expect(imports.length).toBeGreaterThan(500)
    expect(imports.flatMap(({ file, specifier }) => fault(file, specifier) ?? [])).toEqual([])
  })

  test('lead to files that are there', () => {
    const there = new Set([...product, ...sourcesOfScripts()])
    const lost = imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ file, specifier }) => `${file} → ${targetOf(file, specifier)}`)
      .filter((line) => !there.has(line.split(' → ')[1] as string))
    expect(lost).toEqual([])
  })

  test('never make a circle of rooms, but for agent and its roles', () => {
    const edges = new Set(
      imports.flatMap(({ file, specifier }) => {
        const target = specifier.startsWith('.') ? targetOf(file, specifier) : undefined
        const rooms = target === undefined ? [] : [roomOf(file), roomOf(target)]
        return rooms[0] === rooms[1] || rooms.includes('src') ? [] : [rooms.join(' → ')]
      }),
    )
    const circles = [...edges].filter((edge) => edges.has(edge.split(' → ').reverse().join(' → ')))
    expect(circles.sort()).toEqual(['agent → agent/roles', 'agent/roles → agent'])
  })

  test.each([
    ['src/cli/commands/up.ts', '../../ports/memory/open.ts'],
    ['src/cli/cli.ts', '../launch/launcher.ts'],
    ['components/app.tsx', '../src/feed/feed.ts'],
    ['src/fleet/plan.ts', '../ports/engine/embedded.ts'],
    ['src/fleet/plan.ts', 'yaml'],
    ['src/ports/memory/redis.ts', 'amqplib'],
    ['src/ports/memory/redis.ts', '../bus/bus.ts'],
    ['src/protocol/fleet.ts', '../fleet/spec.ts'],
    ['agent/dex/pools/quote.ts', '../../role.ts'],
    ['agent/dex/pools/quote.ts', '../../../src/ports/memory/memory.ts'],
    ['agent/roles/planner.ts', '../sandbox/sandbox.ts'],
    ['agent/runtime.ts', 'ethers'],
    ['src/client/hub.ts', '@modelcontextprotocol/sdk/client/index.js'],
    ['src/launch/service.ts', 'ioredis'],
    ['src/hub/hub.ts', '../../test/fixtures/hub.ts'],
    ['src/hub/hub.ts', './audit'],
  ])('of %s: %s is refused', (file, specifier) => {
    expect(fault(file, specifier)).toContain(file)
  })

  test('are seen however they are written', () => {
    const source = [
      "import { a,\n  type b } from './1.ts'",
      "import './2.ts'",
      "const c = await import('./3.ts')",
      "export { d } from './4.ts'",
      "type E = import('./5.ts').E",
      "// import './not.ts'",
      "import f, * as g from '6'",
    ].join('\n')
    expect(importsOf(source).sort()).toEqual(['./1.ts', './2.ts', './3.ts', './4.ts', './5.ts', '6'])
  })
})

/** Scripts without types that product code may lead to. */
const sourcesOfScripts = (): string[] => ['agent/sandbox/artefacts.mjs']
