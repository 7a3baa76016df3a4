// Builds dist/HASH (the CLI's bundle and the image's bundle) and names it in dist/current, atomically: a command that runs
// meanwhile keeps the build it began with. Does nothing when the build of these sources is there. --force builds anyway.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { writeImageContexts } from './bundle/image-contexts.mjs'
import { lightPlugins } from './bundle/light-plugins.mjs'
import { mergeStart } from './bundle/merge-start.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = path.join(root, 'dist')
const KEEP_BUILDS = 3
const ABANDONED_MS = 600_000

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) yield* files(full)
    else yield full
  }
}

function sourceHash() {
  const hash = createHash('sha256').update(process.version)
  const inputs = ['package.json', 'package-lock.json', 'tsconfig.json'].map((name) => path.join(root, name))
  for (const folder of ['src', 'components', 'agent']) inputs.push(...files(path.join(root, folder)))
  for (const input of inputs.sort())
    hash.update(path.relative(root, input)).update('\0').update(readFileSync(input)).update('\0')
  return hash.digest('hex').slice(0, 16)
}

/** Bundled CommonJS needs require, __filename and __dirname, which an ES module does not have. */
const banner = {
  js: [
    "import { createRequire as __createRequire } from 'node:module'",
    "import { fileURLToPath as __fileURLToPath } from 'node:url'",
    'const require = __createRequire(import.meta.url)',
    'const __filename = __fileURLToPath(import.meta.url)',
    "const __dirname = __fileURLToPath(new URL('.', import.meta.url))",
  ].join(';'),
}

const shared = {
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  legalComments: 'none',
  logLevel: 'error',
  loader: { '.node': 'empty' },
  external: ['pg-native', 'bufferutil', 'utf-8-validate', 'react-devtools-core', 'cpu-features', 'term.js', 'pty.js'],
  banner,
}

async function bundle(version, { external, plugins = [], ...rest }) {
  const { build } = await import('esbuild')
  const options = {
    ...shared,
    ...rest,
    external: [...shared.external, ...external],
    define: { 'process.env.NODE_ENV': '"production"', ARBDECK_VERSION: JSON.stringify(version) },
    plugins: [...lightPlugins, ...plugins],
    metafile: true,
  }
  return { options, metafile: (await build(options)).metafile }
}

/** Short names would save a third of the bytes; keeping a function's name beside its short one costs each start 15 ms. */
const forImage = {
  minifySyntax: true,
  minifyWhitespace: true,
  // The image has no node_modules: everything that its processes use is inside.
  external: ['@electric-sql/pglite'],
}

/** One bundle for the 111 agents, one for the services, and the file that chooses. */
async function bundleImage(work, searchWorker, version) {
  const folder = path.join(work, 'image')
  const service = path.join(root, 'src/service.ts')
  await bundle(version, { ...forImage, outdir: folder, entryPoints: { service, 'search-worker': searchWorker } })
  const agents = path.join(folder, 'agent')
  const { options, metafile } = await bundle(version, {
    ...forImage,
    outdir: agents,
    entryPoints: { agent: path.join(root, 'src/agent.ts') },
  })
  await mergeStart(options, metafile, path.relative(root, path.join(agents, 'agent.js')))
  writeFileSync(
    path.join(folder, 'main.js'),
    "await import(process.argv[2] === 'agent' ? './agent/agent.js' : './service.js')\n",
  )
}

/** An empty PGlite database: a first start then need not run initdb. */
async function writeHistoryTemplate(file) {
  const { version } = JSON.parse(
    readFileSync(path.join(root, 'node_modules/@electric-sql/pglite/package.json'), 'utf8'),
  )
  const key = `${file}.version`
  if (existsSync(file) && existsSync(key) && readFileSync(key, 'utf8') === version) return
  const { PGlite } = await import('@electric-sql/pglite')
  const database = await PGlite.create({ postgresqlconf: ['shared_buffers=16MB', 'max_connections=4'] })
  const dump = await database.dumpDataDir('gzip')
  await database.close()
  mkdirSync(path.dirname(file), { recursive: true })
  const next = `${file}.${process.pid}`
  writeFileSync(next, Buffer.from(await dump.arrayBuffer()))
  renameSync(next, file)
  writeFileSync(key, version)
}

function prune(current) {
  const builds = readdirSync(dist, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^[0-9a-f]{16}$/.test(entry.name) && entry.name !== current)
    .map((entry) => ({ name: entry.name, at: statSync(path.join(dist, entry.name)).mtimeMs }))
    .sort((a, b) => b.at - a.at)
  // What a build that was killed left behind, too; one that runs now is younger.
  const left = readdirSync(dist).filter(
    (name) => /^\.[0-9a-f]{16}-\d+$/.test(name) && statSync(path.join(dist, name)).mtimeMs < Date.now() - ABANDONED_MS,
  )
  for (const name of [...builds.slice(KEEP_BUILDS - 1).map((old) => old.name), ...left])
    rmSync(path.join(dist, name), { recursive: true, force: true })
}

const hash = sourceHash()
const target = path.join(dist, hash)
const current = path.join(dist, 'current')
const artefacts = path.join(dist, 'sandbox', 'artefacts.json.gz')
const template = path.join(dist, 'history', 'empty.tar.gz')
const fresh = [path.join(target, 'arbdeck.js'), artefacts, template].every((file) => existsSync(file))

if (!fresh || process.argv.includes('--force')) {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const { buildArtefacts } = await import(pathToFileURL(path.join(root, 'agent/sandbox/artefacts.mjs')).href)
  const { screenPlugins } = await import(pathToFileURL(path.join(root, 'components/ink/bundle-plugin.mjs')).href)
  mkdirSync(path.dirname(artefacts), { recursive: true })
  await buildArtefacts(artefacts)
  await writeHistoryTemplate(template)
  const work = path.join(dist, `.${hash}-${process.pid}`)
  // The bot's search runs in a thread of its own: its entry lies beside each bundle.
  const searchWorker = path.join(root, 'agent/market/search-worker.ts')
  await bundle(version, {
    outdir: work,
    entryPoints: { arbdeck: path.join(root, 'src/main.ts'), 'search-worker': searchWorker },
    minify: true,
    keepNames: true,
    // Read from node_modules at run time: PGlite has data files of its own. Dockerode is loaded only for Docker.
    external: ['@electric-sql/pglite', 'dockerode'],
    plugins: screenPlugins,
  })
  // A thread of its own, too; it reads node_modules itself.
  copyFileSync(path.join(root, 'src/ports/history/pglite-thread.mjs'), path.join(work, 'pglite-thread.mjs'))
  await bundleImage(work, searchWorker, version)
  rmSync(target, { recursive: true, force: true })
  renameSync(work, target)
}

const named = existsSync(current) ? readFileSync(current, 'utf8').trim() : ''
if (named !== hash) {
  const next = path.join(dist, `.current-${process.pid}`)
  writeFileSync(next, `${hash}\n`)
  renameSync(next, current)
}
writeImageContexts({ root, bundle: path.join(target, 'image'), artefacts, build: hash })
prune(hash)
