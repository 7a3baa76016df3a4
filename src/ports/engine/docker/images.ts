import { Readable } from 'node:stream'
import { FleetError } from '../../../protocol/errors.ts'
import type { ImageBuild, ImageStore, OldImages } from '../provision.ts'
import type { DockerConnection } from './connect.ts'
import { daemonsWords, diskFull, dockerError, imageUnavailable, statusOf } from './errors.ts'
import { LABELS } from './names.ts'
import { tar } from './tar.ts'

interface Progress {
  stream?: string
  status?: string
  id?: string
  progress?: string
  error?: string
}

export function dockerImages(connection: DockerConnection): ImageStore {
  return {
    hasImage: (ref) => hasImage(connection, ref),
    pull: (ref, onLine) => pull(connection, ref, onLine),
    buildImage: (build, onLine) => buildImage(connection, build, onLine),
    pruneImages: (old) => pruneImages(connection, old),
  }
}

function hasImage({ docker, ask }: DockerConnection, ref: string): Promise<boolean> {
  return ask(`look for the image ${ref}`, async () => {
    try {
      await docker.getImage(ref).inspect()
      return true
    } catch (thrown) {
      if (statusOf(thrown) === 404) return false
      throw thrown
    }
  })
}

async function pull(connection: DockerConnection, ref: string, onLine: (line: string) => void): Promise<void> {
  // Without a tag the daemon would pull every tag there is.
  const tagged = /[:@][^/]+$/.test(ref) ? ref : `${ref}:latest`
  try {
    const stream = (await connection.docker.pull(tagged)) as Readable
    await follow(connection, `pull ${ref}`, stream, (event) => {
      if (event.status && !event.progress) onLine(event.id ? `${event.id}: ${event.status}` : event.status)
    })
  } catch (thrown) {
    if (thrown instanceof BuilderError) throw refused(thrown, imageUnavailable(ref, thrown.message, thrown))
    if (statusOf(thrown) === undefined) throw dockerError(thrown, { what: `pull ${ref}`, address: connection.address })
    const words = daemonsWords((thrown as Error).message)
    throw diskFull(`could not pull ${ref}: ${words}`, thrown) ?? imageUnavailable(ref, words, thrown)
  }
}

async function buildImage(
  connection: DockerConnection,
  build: ImageBuild,
  onLine: (line: string) => void,
): Promise<void> {
  const errand = { what: `build ${build.tag}`, address: connection.address }
  try {
    const stream = await connection.docker.buildImage(Readable.from(tar(build.files), { objectMode: false }), {
      dockerfile: build.dockerfile,
      t: build.tag,
      buildargs: { ...build.buildArgs },
      labels: { [LABELS.image]: build.kind },
      rm: true,
      forcerm: true,
      version: '1',
    })
    await follow(connection, errand.what, stream as Readable, (event) => {
      for (const line of (event.stream ?? event.status ?? '').split('\n')) if (line.trim()) onLine(line.trimEnd())
    })
  } catch (thrown) {
    if (thrown instanceof BuilderError) throw refused(thrown, buildFailed(build, thrown))
    if (statusOf(thrown) === undefined) throw dockerError(thrown, errand)
    // It did not even begin: a Dockerfile that it cannot read, or no room for the files.
    const cause = new BuilderError(daemonsWords((thrown as Error).message))
    throw refused(cause, buildFailed(build, cause))
  }
}

/** What the daemon wrote among the progress: the status of the request was a success long before. */
class BuilderError extends Error {}

async function follow(
  connection: DockerConnection,
  what: string,
  stream: Readable,
  onEvent: (event: Progress) => void,
): Promise<void> {
  let rest = ''
  let error: string | undefined
  try {
    for await (const chunk of stream.setEncoding('utf8')) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines.filter((text) => text.trim())) {
        const event = JSON.parse(line) as Progress
        error ??= event.error
        onEvent(event)
      }
    }
  } catch (thrown) {
    throw dockerError(thrown, { what, address: connection.address })
  }
  if (error !== undefined) throw new BuilderError(error)
}

/** A full disk is not the image's fault. */
const refused = (thrown: BuilderError, otherwise: FleetError): FleetError =>
  diskFull(thrown.message, thrown) ?? otherwise

function buildFailed(build: ImageBuild, cause: BuilderError): FleetError {
  const base = build.buildArgs.BASE
  if (base && /pull|manifest|no such image|dial tcp|not found|lookup/i.test(cause.message))
    return imageUnavailable(base, cause.message, cause)
  return new FleetError('image_unavailable', `the image ${build.tag} cannot be built: ${cause.message}`, {
    remedy: 'Run arbdeck build to see every line of the build; the Dockerfiles are in agent/.',
    cause,
  })
}

async function pruneImages({ docker, ask }: DockerConnection, which: OldImages): Promise<string[]> {
  const images = await ask('list the images that arbdeck built', () =>
    docker.listImages({ filters: JSON.stringify({ label: [LABELS.image] }) }),
  )
  const old = images.filter(
    (image) =>
      which.kinds.includes(image.Labels[LABELS.image] ?? '') &&
      image.Created * 1000 <= Date.now() - which.olderThanMs &&
      !image.RepoTags?.some((tag) => which.keep.includes(tag)),
  )
  const removed: string[] = []
  for (const image of old) {
    const gone = await ask(`remove the image ${image.Id}`, () =>
      docker
        .getImage(image.Id)
        .remove({ force: false })
        .then(
          () => true,
          (thrown: unknown) => {
            if ([404, 409].includes(statusOf(thrown) ?? 0)) return false // gone, or a container uses it
            throw thrown
          },
        ),
    )
    if (gone) removed.push(...(image.RepoTags ?? [image.Id]))
  }
  return removed
}
