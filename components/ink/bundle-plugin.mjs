// esbuild plugins for the screen's part of the bundle: `plugins: [...screenPlugins]` with platform node and format esm.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

const inkBuild = dirname(createRequire(import.meta.url).resolve('ink'))

/** What is put in the place of modules of Ink's; the developer's tools are not part of the product. */
const inkModules = {
  './devtools.js': '',
  './output.js': `import Stock from ${JSON.stringify(join(inkBuild, 'output.js'))}
    import { compositor } from './compositor.ts'
    export default compositor(Stock)`,
  './measure-text.js': `export { measureText as default } from './measure.ts'`,
  'widest-line': `export { widestLine as default } from './measure.ts'`,
}

/** Ink with the row compositor, and with text measured instead of remembered for ever. */
const inkLite = {
  name: 'ink-lite',
  setup(build) {
    build.onResolve(
      { filter: /^(\.\/devtools\.js|\.\/output\.js|\.\/measure-text\.js|widest-line)$/ },
      ({ path, importer }) => (dirname(importer) === inkBuild ? { path, namespace: 'ink-lite' } : undefined),
    )
    build.onLoad({ filter: /.*/, namespace: 'ink-lite' }, ({ path }) => ({
      resolveDir: here,
      contents: inkModules[path],
    }))
  },
}

/** Of blessed only the element, of lodash one function: no screen, no terminfo, no terminal library. */
const blessedLite = {
  name: 'blessed-lite',
  setup(build) {
    const lite = {
      blessed: `exports.Node = require('blessed/lib/widgets/node'); exports.Box = require('blessed/lib/widgets/box'); exports.box = (o) => new exports.Box(o)`,
      lodash: 'exports.max = (list) => list.reduce((most, value) => (value > most ? value : most), -Infinity)',
      screen: 'module.exports = { total: 0, global: null }',
    }
    build.onResolve({ filter: /^(blessed|lodash|\.\.\/|\.\/(widgets\/)?screen)$/ }, ({ path, importer }) => {
      if (!/[\\/](blessed|blessed-contrib)[\\/]|line-widget\.ts$/.test(importer)) return undefined
      return { path: path === '../' ? 'blessed' : basename(path), namespace: 'lite' }
    })
    build.onLoad({ filter: /.*/, namespace: 'lite' }, ({ path }) => ({ resolveDir: here, contents: lite[path] }))
    // Outside node_modules `new Buffer` warns on stderr, into the screen.
    build.onLoad({ filter: /drawille-blessed-contrib[\\/]index\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace('new Buffer(', 'Buffer.alloc('),
    }))
  },
}

export const screenPlugins = [inkLite, blessedLite]
