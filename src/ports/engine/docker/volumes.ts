import { FleetError } from '../../../protocol/errors.ts'
import type { VolumeFile, VolumeFill } from '../provision.ts'
import type { DockerConnection } from './connect.ts'
import { READ_FRAME, removeErrands, runErrand } from './errand.ts'
import { statusOf } from './errors.ts'
import { fleetFilter, LABELS, notOurs } from './names.ts'

/** Written beside the old file and renamed over it: whoever reads meanwhile sees one or the other, whole. */
const WRITE = `
const fs = require('node:fs')
function run(files) {
  for (const file of files) {
    if (file.content === null) {
      fs.chmodSync(file.path, file.mode)
      continue
    }
    fs.rmSync(file.path + '.new', { force: true })
    fs.writeFileSync(file.path + '.new', Buffer.from(file.content, 'base64'), { mode: 0o600 })
    fs.chownSync(file.path + '.new', file.uid, file.gid)
    fs.chmodSync(file.path + '.new', file.mode)
    fs.renameSync(file.path + '.new', file.path)
  }
  process.exit(0)
}
${READ_FRAME}`

const READ = `
const fs = require('node:fs')
function run(paths) {
  const read = (path) => (fs.existsSync(path) ? fs.readFileSync(path).toString('base64') : null)
  process.stdout.write(JSON.stringify(paths.map(read)), () => process.exit(0))
}
${READ_FRAME}`

export async function ensureVolume({ docker, ask }: DockerConnection, fleet: string, name: string): Promise<void> {
  await ask(`make the volume ${name}`, async () => {
    await docker.createVolume({ Name: name, Labels: { [LABELS.fleet]: fleet } }) // gives the one that is there
    const there = await docker.getVolume(name).inspect()
    if (there.Labels?.[LABELS.fleet] !== fleet) throw notOurs('volume', name, fleet)
  })
}

export async function removeVolumes(connection: DockerConnection, fleet: string): Promise<void> {
  await removeErrands(connection, fleet)
  const { docker, ask } = connection
  const { Volumes } = await ask('list the volumes of the fleet', () =>
    docker.listVolumes({ filters: fleetFilter(fleet) }),
  )
  for (const { Name } of Volumes ?? [])
    await ask(`remove the volume ${Name}`, async () => {
      try {
        await docker.getVolume(Name).remove()
      } catch (thrown) {
        if (statusOf(thrown) !== 404) throw thrown
      }
    })
}

export async function fillVolumes(
  connection: DockerConnection,
  fleet: string,
  fills: readonly VolumeFill[],
  image: string,
): Promise<void> {
  for (const { volume } of fills) await ensureVolume(connection, fleet, volume)
  await runErrand(connection, {
    fleet,
    image,
    script: WRITE,
    volumes: fills.map(({ volume }, i) => ({ volume, target: folder(i), readOnly: false })),
    input: fills.flatMap(({ files, mode }, i) => [
      ...files.map((file) => toInput(folder(i), file)),
      ...(mode === undefined ? [] : [{ path: folder(i), mode, content: null }]),
    ]),
  })
}

function toInput(target: string, file: VolumeFile) {
  return { ...file, path: `${target}/${plainName(file.name)}`, content: file.content.toString('base64') }
}

export async function readVolume(
  connection: DockerConnection,
  fleet: string,
  volume: string,
  names: readonly string[],
  image: string,
): Promise<Map<string, Buffer>> {
  await mustExist(connection, fleet, volume)
  const answer = await runErrand(connection, {
    fleet,
    image,
    script: READ,
    volumes: [{ volume, target: folder(0), readOnly: true }],
    input: names.map((name) => `${folder(0)}/${plainName(name)}`),
  })
  const contents = JSON.parse(answer.toString('utf8')) as (string | null)[]
  return new Map(
    names.flatMap((name, i) => {
      const content = contents[i]
      return content == null ? [] : [[name, Buffer.from(content, 'base64')] as const]
    }),
  )
}

const folder = (index: number): string => `/volumes/${index}`

function plainName(name: string): string {
  if (/^[\w][\w.-]*$/.test(name)) return name
  throw new FleetError('internal', `${JSON.stringify(name)} is no plain file name`, { remedy: 'Report it.' })
}

function mustExist({ docker, ask }: DockerConnection, fleet: string, name: string): Promise<void> {
  return ask(`look for the volume ${name}`, async () => {
    try {
      const { Labels } = await docker.getVolume(name).inspect()
      if (Labels?.[LABELS.fleet] === fleet) return
    } catch (thrown) {
      if (statusOf(thrown) !== 404) throw thrown
    }
    throw new FleetError('not_found', `there is no volume ${name} of the fleet ${fleet}`, {
      remedy: 'Run arbdeck up: it makes it.',
    })
  })
}
