import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ensureImages, imageChoice } from '../../../src/fleet/images.ts'
import type { ImageBuild, Provisioner } from '../../../src/ports/engine/provision.ts'
import { ROOT } from '../../fixtures/compose.ts'

const script = new URL('../../../src/bundle/image-contexts.mjs', import.meta.url).href
const { writeImageContexts } = (await import(script)) as {
  writeImageContexts(parts: { root: string; bundle: string; artefacts: string; build: string }): void
}

let root: string
let parts: { root: string; bundle: string; artefacts: string; build: string }
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'arbdeck-contexts-'))
  parts = { root, bundle: path.join(root, 'bundle'), artefacts: path.join(root, 'artefacts.json.gz'), build: '1' }
  mkdirSync(path.join(parts.bundle, 'chunks'), { recursive: true })
  writeFileSync(path.join(parts.bundle, 'main.js'), 'main')
  writeFileSync(path.join(parts.bundle, 'chunks', 'a.js'), 'a', { mode: 0o600 })
  writeFileSync(parts.artefacts, 'artefacts')
  chmodSync(path.join(parts.bundle, 'chunks'), 0o700)
  cpSync(path.join(ROOT, 'agent', 'Dockerfile'), path.join(root, 'agent', 'Dockerfile'))
  cpSync(path.join(ROOT, 'agent', 'sandbox.Dockerfile'), path.join(root, 'agent', 'sandbox.Dockerfile'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const contexts = () => path.join(root, 'dist', 'images')

/** What `arbdeck build` shows the builder, by image. */
async function buildsOf(): Promise<ImageBuild[]> {
  const builds: ImageBuild[] = []
  const provisioner = {
    about: async () => ({ arch: process.arch === 'x64' ? 'amd64' : process.arch }),
    hasImage: async (ref: string) => !ref.startsWith('arbdeck-'),
    buildImage: async (build: ImageBuild) => void builds.push(build),
  } as unknown as Provisioner
  const sources = { bundleDir: parts.bundle, dockerfileDir: path.join(root, 'agent'), artefacts: parts.artefacts }
  await ensureImages(provisioner, imageChoice({}), sources, { sandbox: true }, () => undefined)
  return builds
}

test('compose files build of what arbdeck build builds of: the same files, with modes that every user can read', async () => {
  writeImageContexts(parts)
  for (const { kind, files } of await buildsOf()) {
    const folder = path.join(contexts(), kind)
    const found = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    expect(found.sort()).toEqual(files.map(({ name }) => name).sort())
    for (const file of files) {
      const at = path.join(folder, file.name)
      expect(readFileSync(at).equals('content' in file ? file.content : readFileSync(file.path)), file.name).toBe(true)
      expect(statSync(at).mode & 0o777, file.name).toBe(file.mode)
    }
    expect(statSync(path.join(folder, 'app', 'chunks')).mode & 0o777).toBe(0o755)
  }
})

test('they are written once a build, and whole', () => {
  writeImageContexts(parts)
  writeFileSync(path.join(parts.bundle, 'main.js'), 'another')
  writeImageContexts(parts)
  const main = path.join(contexts(), 'agent', 'app', 'main.js')
  expect(readFileSync(main, 'utf8')).toBe('main')
  writeImageContexts({ ...parts, build: '2' })
  expect(readFileSync(main, 'utf8')).toBe('another')
  expect(readdirSync(path.join(root, 'dist'))).toEqual(['images'])
})
