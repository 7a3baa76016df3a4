import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { screenPlugins } from '../../../components/ink/bundle-plugin.mjs'

const ENTRY = `
  import { frameOf, modelAt } from './one-frame.tsx'
  const [columns, rows, full, colour] = process.argv.slice(2).map(Number)
  process.stdout.write(frameOf(modelAt(columns, rows, { full: full === 1 }), colour === 1))
`
const BANNER = `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);`

let folder: string
let inputs: string[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'arbdeck-bundle-'))
  const built = await build({
    stdin: { contents: ENTRY, resolveDir: new URL('../../fixtures', import.meta.url).pathname, loader: 'tsx' },
    outfile: join(folder, 'frame.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: { js: BANNER },
    plugins: screenPlugins,
    metafile: true,
    logLevel: 'silent',
  })
  inputs = Object.keys(built.metafile.inputs)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const run = (...args: number[]) =>
  promisify(execFile)(process.execPath, [join(folder, 'frame.mjs'), ...args.map(String)], {
    env: { PATH: process.env.PATH, TZ: 'UTC', CI: 'true' },
  })

describe('the bundled screen, with CI set', () => {
  test.each([
    [200, 60],
    [120, 35],
    [80, 24],
    [60, 15],
  ])('gives at %dx%d the very picture that Ink gives, and warns of nothing', async (columns, rows) => {
    for (const [name, full] of [
      ['mini', 0],
      ['full', 1],
    ] as const) {
      const { stdout, stderr } = await run(columns, rows, full, 0)
      const golden = await readFile(new URL(`golden/${name}-${columns}x${rows}.txt`, import.meta.url), 'utf8')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
      expect(`${stdout.replaceAll(/\u001B\[[\d;]*m/g, '')}\n`).toBe(golden)
      expect(stderr).toBe('')
    }
  })
})

test('of blessed and lodash only what the chart needs is in it', () => {
  const named = (pattern: RegExp) => inputs.filter((path) => pattern.test(path))
  expect(named(/blessed\/lib\/widgets\/line|blessed-contrib\/lib\/widget\/charts\/line/)).toHaveLength(1)
  expect(
    named(/node_modules\/(lodash|xml2js|marked)\/|blessed\/lib\/(program|tput)|widgets\/(screen|terminal)\.js/),
  ).toEqual([])
})
