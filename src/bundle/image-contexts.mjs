// Writes dist/images: what the builder of each image is shown, at a path that stays, for compose files to build from.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' }

/** anvil for a daemon on this machine's processor; none where npm has none: then only the sandbox image cannot be built. */
function anvilBinary() {
  try {
    return createRequire(import.meta.url).resolve(`@foundry-rs/anvil-linux-${ARCHITECTURES[process.arch]}/bin/anvil`)
  } catch {
    return undefined
  }
}

/** Modes are what the image gets, whatever this machine's umask: our numeric user reads them. */
function setModes(folder) {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name)
    if (entry.isDirectory()) setModes(full)
    else chmodSync(full, entry.name === 'anvil' ? 0o755 : 0o644)
  }
}

function writeContext(folder, dockerfile, bundle, extras) {
  const app = path.join(folder, 'app')
  mkdirSync(folder, { recursive: true })
  cpSync(bundle, app, { recursive: true, filter: (file) => !file.endsWith('.map') })
  // The bundle is ES modules; in the image there is no package.json above it that would say so.
  if (!existsSync(path.join(app, 'package.json'))) writeFileSync(path.join(app, 'package.json'), '{"type":"module"}\n')
  copyFileSync(dockerfile, path.join(folder, 'Dockerfile'))
  for (const [name, file] of Object.entries(extras)) if (file) copyFileSync(file, path.join(folder, name))
  setModes(folder)
}

/**
 * Does nothing when the contexts of this build are there.
 * @param {{ root: string, bundle: string, artefacts: string, build: string }} parts `build` names the build
 */
export function writeImageContexts({ root, bundle, artefacts, build }) {
  const images = path.join(root, 'dist', 'images')
  const mark = path.join(images, 'build')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === build) return
  const next = path.join(root, 'dist', `.images-${process.pid}`)
  const old = `${next}-old`
  writeContext(path.join(next, 'agent'), path.join(root, 'agent', 'Dockerfile'), bundle, {})
  const extras = { anvil: anvilBinary(), 'artefacts.json.gz': artefacts }
  writeContext(path.join(next, 'sandbox'), path.join(root, 'agent', 'sandbox.Dockerfile'), bundle, extras)
  writeFileSync(path.join(next, 'build'), build)
  if (existsSync(images)) renameSync(images, old)
  try {
    renameSync(next, images)
  } catch {
    // Another build of the same moment put its own there.
  }
  for (const left of [next, old]) rmSync(left, { recursive: true, force: true })
}
