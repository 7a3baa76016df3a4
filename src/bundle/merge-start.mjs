import { renameSync, rmSync } from 'node:fs'
import path from 'node:path'

/**
 * Puts the entry of a split bundle and all the chunks that it imports statically into one file: Node takes about 1 ms a file,
 * and there are some 25. What is loaded later then imports those chunks' names from that file, so the entry must not wait
 * at its top level for anything that is loaded later.
 *
 * @param options of the esbuild run that made the bundle
 * @param metafile of that run
 * @param entry path of the entry's output, as the metafile has it, from `options.absWorkingDir`
 */
export async function mergeStart(options, metafile, entry) {
  const { build } = await import('esbuild')
  const folder = path.join(options.absWorkingDir, path.dirname(entry))
  const start = `./${path.basename(entry)}`
  const chunks = staticImports(metafile, entry)
  const numbers = new Map(chunks.map((chunk, i) => [`./${path.basename(chunk)}`, i]))
  const reexport = (chunk, from, word) =>
    `export {${metafile.outputs[chunk].exports.map((name) => word(`c${chunks.indexOf(chunk)}_${name}`, name)).join()}} from '${from}'`
  const how = {
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: options.target,
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: 'error',
  }

  const all = chunks.map((chunk) => reexport(chunk, `./${path.basename(chunk)}`, (mine, name) => `${name} as ${mine}`))
  const merged = path.join(folder, 'merged.js')
  const outside = resolving(({ kind, path: name }) =>
    kind === 'dynamic-import' || kind === 'require-call' || name.startsWith('node:') ? { external: true } : undefined,
  )
  const stdin = { contents: `${all.join('\n')}\nimport '${start}'`, resolveDir: folder }
  await build({ ...how, stdin, outfile: merged, plugins: [outside] })

  const later = Object.keys(metafile.outputs).filter((file) => file !== entry && !chunks.includes(file))
  const fromStart = resolving(({ path: name }) =>
    numbers.has(name) ? { path: name, namespace: 'start' } : { external: true },
  )
  const names = {
    name: 'names',
    setup: (build) =>
      build.onLoad({ filter: /.*/, namespace: 'start' }, ({ path: name }) => ({
        contents: reexport(chunks[numbers.get(name)], start, (mine, its) => `${mine} as ${its}`),
      })),
  }
  await build({
    ...how,
    entryPoints: later.map((file) => path.join(options.absWorkingDir, file)),
    outdir: folder,
    allowOverwrite: true,
    plugins: [fromStart, names],
  })
  for (const chunk of chunks) rmSync(path.join(options.absWorkingDir, chunk))
  renameSync(merged, path.join(folder, path.basename(entry)))
}

const resolving = (to) => ({
  name: 'resolving',
  setup: (build) =>
    build.onResolve({ filter: /.*/ }, (asked) => {
      if (asked.kind === 'entry-point') return undefined
      const found = to(asked)
      return found?.external ? { path: asked.path, external: true } : found
    }),
})

function staticImports(metafile, entry) {
  const found = new Set()
  const look = (file) => {
    for (const { path: imported, kind, external } of metafile.outputs[file].imports) {
      if (kind !== 'import-statement' || external || found.has(imported)) continue
      found.add(imported)
      look(imported)
    }
  }
  look(entry)
  return [...found]
}
