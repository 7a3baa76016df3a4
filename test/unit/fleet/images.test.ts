import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ensureImages, type ImageSources, imageChoice } from '../../../src/fleet/images.ts'
import type { ImageBuild, Provisioner } from '../../../src/ports/engine/provision.ts'
import { FleetError } from '../../../src/protocol/errors.ts'

let folder: string
let sources: ImageSources & { anvil: string }
const choice = imageChoice({})
const silent = () => undefined

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-images-'))
  const bundleDir = path.join(folder, 'image')
  mkdirSync(path.join(bundleDir, 'chunks'), { recursive: true })
  writeFileSync(path.join(bundleDir, 'main.js'), 'main')
  writeFileSync(path.join(bundleDir, 'chunks', 'a.js'), 'a')
  for (const name of ['Dockerfile', 'sandbox.Dockerfile', 'artefacts.json.gz', 'anvil'])
    writeFileSync(path.join(folder, name), name)
  sources = {
    bundleDir,
    dockerfileDir: folder,
    artefacts: path.join(folder, 'artefacts.json.gz'),
    anvil: path.join(folder, 'anvil'),
  }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A daemon's images, in a list; what was asked of it in another. */
function daemon(has: readonly string[], arch = 'amd64') {
  const images = new Set(has)
  const built: ImageBuild[] = []
  const pulled: string[] = []
  const provisioner = {
    about: async () => ({ arch }),
    hasImage: async (ref: string) => images.has(ref),
    pull: async (ref: string) => void images.add(pulled[pulled.push(ref) - 1] ?? ''),
    buildImage: async (build: ImageBuild) => {
      built.push(build)
      images.add(build.tag)
    },
  } as unknown as Provisioner
  return { provisioner, built, pulled }
}
const ensure = (on: ReturnType<typeof daemon>, more: Partial<ImageSources> = {}, sandbox = true) =>
  ensureImages(on.provisioner, choice, { ...sources, ...more }, { sandbox }, silent)

test('images are the official ones, pinned, unless the environment names others', () => {
  for (const ref of Object.values(choice)) expect(ref).toMatch(/^[a-z]+:\d+\.?\d*-/)
  expect(imageChoice({ ARBDECK_IMAGE_REDIS: 'mine:1', ARBDECK_IMAGE_BASE: '' })).toEqual({ ...choice, redis: 'mine:1' })
})

test('what is missing is pulled and built once; the second time nothing is done', async () => {
  const on = daemon([choice.redis])
  const first = await ensure(on)
  expect(on.pulled.sort()).toEqual([choice.base, choice.rabbitmq, choice.postgres].sort())
  expect(on.built.map((build) => build.tag)).toEqual([first.agent, first.sandbox])
  expect(await ensure(on)).toEqual(first)
  expect(on.built).toHaveLength(2)
  expect(on.pulled).toHaveLength(3)
})

test('the agent image has the bundle and nothing else; the sandbox image also the node and the contracts', async () => {
  const on = daemon([])
  await ensure(on)
  const [agent, sandbox] = on.built.map((build) => build.files.map((file) => file.name))
  const app = ['Dockerfile', 'app/chunks/a.js', 'app/main.js', 'app/package.json']
  expect(agent?.sort()).toEqual(app)
  expect(sandbox?.sort()).toEqual([...app, 'anvil', 'artefacts.json.gz'].sort())
  expect(on.built[1]?.files.find((file) => file.name === 'anvil')?.mode).toBe(0o755)
  expect(on.built[0]?.buildArgs).toEqual({ BASE: choice.base })
})

test('another byte anywhere, or another base, is another tag', async () => {
  const before = await ensure(daemon([]))
  writeFileSync(path.join(sources.bundleDir, 'chunks', 'a.js'), 'b')
  const after = await ensure(daemon([]))
  expect(after.agent).not.toBe(before.agent)
  expect(after.sandbox).not.toBe(before.sandbox)
  const otherBase = await ensureImages(
    daemon([]).provisioner,
    { ...choice, base: 'node:22' },
    sources,
    { sandbox: true },
    silent,
  )
  expect(otherBase.agent).not.toBe(after.agent)
  writeFileSync(sources.anvil, 'newer')
  const newAnvil = await ensure(daemon([]))
  expect(newAnvil.agent).toBe(after.agent)
  expect(newAnvil.sandbox).not.toBe(after.sandbox)
})

test('a fleet on a real chain needs no sandbox image and no anvil', async () => {
  const on = daemon([])
  const images = await ensure(on, { anvil: path.join(folder, 'none'), artefacts: path.join(folder, 'none') }, false)
  expect(on.built.map((build) => build.kind)).toEqual(['agent'])
  expect(images.sandbox).toBe('')
})

test('a checkout that is not built says so before anything is pulled', async () => {
  const on = daemon([])
  await expect(ensure(on, { bundleDir: path.join(folder, 'none') })).rejects.toMatchObject({
    code: 'image_unavailable',
    remedy: 'Run npm run build first.',
  })
  expect(on.pulled).toEqual([])
})

test('without anvil for the platform of the daemon the package that is missing is named', async () => {
  const { anvil: _anvil, ...without } = sources
  const ensured = ensureImages(daemon([], 'riscv64').provisioner, choice, without, { sandbox: true }, silent)
  await expect(ensured).rejects.toBeInstanceOf(FleetError)
  await expect(ensured).rejects.toMatchObject({ message: expect.stringContaining('@foundry-rs/anvil-linux-riscv64') })
})
