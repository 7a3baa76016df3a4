import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { ContextFile, ImageBuild, Provisioner } from '../ports/engine/provision.ts'
import { FleetError } from '../protocol/errors.ts'

/** What the images are made from and of; each can be set by ARBDECK_IMAGE_BASE, _REDIS and so on. */
export interface ImageChoice {
  base: string
  redis: string
  rabbitmq: string
  postgres: string
}

/** Where a built checkout has what goes into the images. */
export interface ImageSources {
  /** The bundle: main.js and what it loads. */
  bundleDir: string
  /** `agent/`, with the two Dockerfiles. */
  dockerfileDir: string
  /** `dist/sandbox/artefacts.json.gz` */
  artefacts: string
  /** Default: of the npm package for the daemon's platform. */
  anvil?: string
}

/** Reference of each image by what it is for, as Wanted has it. */
export type Images = Record<'base' | 'agent' | 'sandbox' | 'redis' | 'rabbitmq' | 'postgres', string>

const DEFAULTS: ImageChoice = {
  base: 'node:20.19-bookworm-slim',
  redis: 'redis:7.4-alpine',
  rabbitmq: 'rabbitmq:3.13-alpine',
  postgres: 'postgres:16-alpine',
}

export function imageChoice(env: Readonly<Record<string, string | undefined>>): ImageChoice {
  const choose = (name: keyof ImageChoice) => env[`ARBDECK_IMAGE_${name.toUpperCase()}`] || DEFAULTS[name]
  return { base: choose('base'), redis: choose('redis'), rabbitmq: choose('rabbitmq'), postgres: choose('postgres') }
}

/**
 * Makes sure that the daemon has every image of a fleet: pulls what is missing, builds ours unless the very same is there.
 *
 * @param sandbox whether the fleet has the practice chain
 * @throws FleetError `image_unavailable`, `unsupported` naming the package when there is no anvil for the daemon's platform
 */
export async function ensureImages(
  provisioner: Provisioner,
  choice: ImageChoice,
  sources: ImageSources,
  { sandbox }: { sandbox: boolean },
  onLine: (line: string) => void,
): Promise<Images> {
  const { images, pulls, builds } = await missingImages(provisioner, choice, sources, { sandbox })
  for (const ref of pulls) {
    onLine(`pulling ${ref}`)
    await provisioner.pull(ref, onLine)
  }
  for (const build of builds) {
    onLine(`building ${build.tag}`)
    await provisioner.buildImage(build, onLine)
  }
  return images
}

/** What `ensureImages` would have to do, and what the images are then; nothing is done. */
export async function missingImages(
  provisioner: Provisioner,
  choice: ImageChoice,
  sources: ImageSources,
  { sandbox }: { sandbox: boolean },
): Promise<{ images: Images; pulls: string[]; builds: ImageBuild[] }> {
  const ours = await imageBuilds(provisioner, choice, sources, sandbox)
  const builds = await filterAsync(ours, async (build) => !(await provisioner.hasImage(build.tag)))
  // The base also when nothing is built from it: volumes are filled with it.
  const needed = [choice.base, choice.redis, choice.rabbitmq, choice.postgres]
  const pulls = await filterAsync(needed, async (image) => !(await provisioner.hasImage(image)))
  const tagOf = (kind: string) => ours.find((build) => build.kind === kind)?.tag ?? ''
  return { images: { ...choice, agent: tagOf('agent'), sandbox: tagOf('sandbox') }, pulls, builds }
}

async function imageBuilds(
  provisioner: Provisioner,
  choice: ImageChoice,
  sources: ImageSources,
  sandbox: boolean,
): Promise<ImageBuild[]> {
  const app = bundleFiles(sources.bundleDir)
  const builds = [describe('agent', choice.base, 'Dockerfile', sources, app)]
  if (!sandbox) return builds
  const anvil = sources.anvil ?? anvilFor((await provisioner.about()).arch)
  const files = [
    ...app,
    { name: 'anvil', mode: 0o755, path: anvil },
    { name: 'artefacts.json.gz', mode: 0o644, path: mustExist(sources.artefacts) },
  ]
  return [...builds, describe('sandbox', choice.base, 'sandbox.Dockerfile', sources, files)]
}

function describe(
  kind: string,
  base: string,
  dockerfile: string,
  { dockerfileDir }: ImageSources,
  files: readonly ContextFile[],
): ImageBuild {
  const recipe = mustExist(path.join(dockerfileDir, dockerfile))
  const all = [{ name: 'Dockerfile', mode: 0o644, path: recipe }, ...files]
  const tag = `arbdeck-${kind}:${contentHash(base, all)}`
  return { tag, files: all, dockerfile: 'Dockerfile', buildArgs: { BASE: base }, kind }
}

/** Of everything that the image is made of: the same tag is the same image. */
function contentHash(base: string, files: readonly ContextFile[]): string {
  const hash = createHash('sha256').update(base)
  for (const file of files) {
    const content = 'content' in file ? file.content : readFileSync(file.path)
    hash.update(`\0${file.name}\0${file.mode}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex').slice(0, 16)
}

function bundleFiles(bundleDir: string): ContextFile[] {
  if (!existsSync(path.join(bundleDir, 'main.js'))) throw notBuilt(path.join(bundleDir, 'main.js'))
  const names = readdirSync(bundleDir, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(path.join(bundleDir, name)).isFile() && !name.endsWith('.map'))
    .sort()
  const files = names.map((name) => ({
    name: `app/${name.split(path.sep).join('/')}`,
    mode: 0o644,
    path: path.join(bundleDir, name),
  }))
  // The bundle is ES modules; in the image there is no package.json above it that would say so.
  if (names.includes('package.json')) return files
  return [...files, { name: 'app/package.json', mode: 0o644, content: Buffer.from('{"type":"module"}\n') }]
}

/** @param arch of the daemon's machine: `amd64`, `arm64` */
function anvilFor(arch: string): string {
  const name = `@foundry-rs/anvil-linux-${arch}`
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/anvil`)
  } catch (cause) {
    throw new FleetError(
      'unsupported',
      `the sandbox image needs anvil for the daemon's platform (linux ${arch}), and the package ${name} is not installed`,
      {
        remedy: `Run npm install --no-save --force ${name} in the checkout, or use --chain with the URL of a node.`,
        cause,
      },
    )
  }
}

function mustExist(file: string): string {
  if (existsSync(file)) return file
  throw notBuilt(file)
}

const notBuilt = (file: string): FleetError =>
  new FleetError('image_unavailable', `the images cannot be built: there is no ${file}`, {
    remedy: 'Run npm run build first.',
  })

async function filterAsync<T>(values: readonly T[], keep: (value: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(values.map(keep))
  return values.filter((_, i) => kept[i])
}
