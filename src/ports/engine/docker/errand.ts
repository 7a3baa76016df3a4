import type { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import { FleetError } from '../../../protocol/errors.ts'
import type { DockerConnection } from './connect.ts'
import { diskFull, statusOf } from './errors.ts'
import { LABELS } from './names.ts'

const TIMEOUT_MS = 60_000
const HEADER_BYTES = 8
const STDOUT = 1

export interface Errand {
  fleet: string
  /** Has `node`; needs no shell. */
  image: string
  /** For `node -e`. Reads `frame`d input from stdin, and writes its answer to stdout. No secret may be in it. */
  script: string
  volumes: readonly { volume: string; target: string; readOnly: boolean }[]
  input: unknown
}

/**
 * Runs a script as root in a container that lives for this alone, with nothing but the volumes named: no network, no
 * capability beyond writing other users' files, no log. Its input goes by stdin, so that it is seen nowhere else.
 *
 * @returns what it wrote to stdout
 */
export async function runErrand(connection: DockerConnection, errand: Errand): Promise<Buffer> {
  const container = await connection.ask('create a container to reach a volume', () => create(connection, errand), {
    image: errand.image,
  })
  try {
    return await connection.ask('reach a volume', () => talk(container, errand.input), {
      timeoutMs: TIMEOUT_MS,
      image: errand.image,
    })
  } finally {
    await removeErrand(connection, container)
  }
}

/** The fleet's errand containers that a killed arbdeck left behind. */
export async function removeErrands(connection: DockerConnection, fleet: string): Promise<void> {
  const left = await connection.ask('list left-over containers', () =>
    connection.docker.listContainers({
      all: true,
      filters: { label: [`${LABELS.fleet}=${fleet}`, LABELS.errand] },
    }),
  )
  for (const { Id } of left) await removeErrand(connection, connection.docker.getContainer(Id))
}

function create({ docker }: DockerConnection, errand: Errand): Promise<Docker.Container> {
  return docker.createContainer({
    Image: errand.image,
    Entrypoint: ['node'],
    Cmd: ['-e', errand.script],
    User: '0:0',
    Labels: { [LABELS.fleet]: errand.fleet, [LABELS.errand]: 'volume' },
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      NetworkMode: 'none',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'],
      SecurityOpt: ['no-new-privileges'],
      PidsLimit: 64,
      LogConfig: { Type: 'none', Config: {} },
      Mounts: errand.volumes.map((mount) => ({
        Type: 'volume',
        Source: mount.volume,
        Target: mount.target,
        ReadOnly: mount.readOnly,
        VolumeOptions: {
          NoCopy: true,
          Labels: { [LABELS.fleet]: errand.fleet },
          DriverConfig: { Name: 'local', Options: {} },
        },
      })),
    },
  })
}

async function talk(container: Docker.Container, input: unknown): Promise<Buffer> {
  // Attached before it starts, or what it writes first would be lost.
  const stream = (await container.attach({
    stream: true,
    stdin: true,
    stdout: true,
    stderr: true,
    hijack: true,
  })) as Duplex
  try {
    await container.start()
    stream.write(frame(input))
    const { stdout, stderr } = split(await collect(stream))
    const { StatusCode } = (await container.wait()) as { StatusCode: number }
    if (StatusCode !== 0) throw failed(StatusCode, stderr.toString('utf8').trim())
    return stdout
  } finally {
    stream.destroy()
  }
}

/** A length (4 bytes, big endian) and so many bytes of JSON: it needs no end of file, which not every transport carries. */
export function frame(value: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(value))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

/** For `node -e`: reads one frame from stdin and hands its value to `run`. */
export const READ_FRAME = `
let got = Buffer.alloc(0)
process.stdin.on('data', (chunk) => {
  got = Buffer.concat([got, chunk])
  if (got.length < 4 || got.length < 4 + got.readUInt32BE(0)) return
  process.stdin.pause()
  run(JSON.parse(got.toString('utf8', 4, 4 + got.readUInt32BE(0))))
})
`

async function collect(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function split(bytes: Buffer): { stdout: Buffer; stderr: Buffer } {
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const end = at + HEADER_BYTES + bytes.readUInt32BE(at + 4)
    ;(bytes[at] === STDOUT ? out : err).push(bytes.subarray(at + HEADER_BYTES, end))
    at = end
  }
  return { stdout: Buffer.concat(out), stderr: Buffer.concat(err) }
}

function failed(code: number, words: string): FleetError {
  const what = `a volume cannot be reached: ${words || `exit ${code}`}`
  return (
    diskFull(what) ??
    new FleetError('engine_refused', what, {
      remedy: 'Run it again; if it stays, take the fleet down with --volumes and up.',
    })
  )
}

export async function removeErrand(connection: DockerConnection, container: Docker.Container): Promise<void> {
  await connection.ask('remove a container that has done its work', async () => {
    try {
      await container.remove({ force: true, v: true })
    } catch (thrown) {
      if (![404, 409].includes(statusOf(thrown) ?? 0)) throw thrown
    }
  })
}
