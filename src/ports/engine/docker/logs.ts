import type { Readable } from 'node:stream'
import { FleetError } from '../../../protocol/errors.ts'
import type { LogLine } from '../../../protocol/records.ts'
import type { LogOptions } from '../engine.ts'
import { logLine } from '../log-line.ts'
import type { DockerConnection } from './connect.ts'
import { dockerError } from './errors.ts'
import { inspect } from './lifecycle.ts'
import { containerName, LABELS } from './names.ts'

const HEADER_BYTES = 8
const STDERR = 2

/** A container's lines, in time order; ends with the container, or when the signal aborts. */
export async function* readLogs(
  connection: DockerConnection,
  fleet: string,
  id: string,
  options: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const now = await inspect(connection, containerName(fleet, id))
  if (!now || now.Config.Labels?.[LABELS.fleet] !== fleet)
    throw new FleetError('not_found', `there is no ${id} in the fleet ${fleet}, so it has no logs here`, {
      remedy: 'See arbdeck ps for what there is.',
    })
  const request = {
    stdout: true,
    stderr: true,
    timestamps: true,
    tail: options.tail,
    ...(options.since === undefined ? {} : { since: (Date.parse(options.since) / 1000).toFixed(3) }),
  }
  const container = connection.docker.getContainer(now.Id)
  if (!options.follow) {
    const bytes = (await connection.ask(`read the logs of ${id}`, (abortSignal) =>
      container.logs({ ...request, follow: false, abortSignal }),
    )) as Buffer
    const lines = [...new FrameReader(id).read(bytes)]
    yield* lines.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map((entry) => entry.line)
    return
  }
  const stream = (await connection.ask(`follow the logs of ${id}`, () =>
    container.logs({ ...request, follow: true }),
  )) as unknown as Readable
  yield* follow(connection, id, stream, signal)
}

async function* follow(
  connection: DockerConnection,
  id: string,
  stream: Readable,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const frames = new FrameReader(id)
    for await (const chunk of stream) for (const { line } of frames.read(chunk as Buffer)) yield line
  } catch (thrown) {
    if (!signal.aborted) throw dockerError(thrown, { what: `follow the logs of ${id}`, address: connection.address })
  } finally {
    signal.removeEventListener('abort', stop)
    stream.destroy()
  }
}

/** Docker's log frames (stream, length, bytes) to lines. A long line comes in several frames, each with its own time. */
export class FrameReader {
  readonly #id: string
  #rest: Buffer = Buffer.alloc(0)
  readonly #partial = new Map<number, { key: string; text: string }>()

  constructor(id: string) {
    this.#id = id
  }

  /** @returns complete lines; `key` sorts by time, to the nanosecond */
  *read(chunk: Buffer): Generator<{ key: string; line: LogLine }> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#rest.readUInt32BE(4)
      if (this.#rest.length < end) return
      const line = this.#frame(this.#rest[0] ?? 0, this.#rest.toString('utf8', HEADER_BYTES, end))
      this.#rest = this.#rest.subarray(end)
      if (line) yield line
    }
  }

  #frame(source: number, payload: string): { key: string; line: LogLine } | undefined {
    const space = payload.indexOf(' ')
    const [key, text] = [payload.slice(0, space), payload.slice(space + 1)]
    const before = this.#partial.get(source)
    const whole = { key: before?.key ?? key, text: `${before?.text ?? ''}${text}` }
    if (!text.endsWith('\n')) {
      this.#partial.set(source, whole)
      return undefined
    }
    this.#partial.delete(source)
    const at = new Date(whole.key)
    const when = Number.isNaN(at.getTime()) ? new Date(0) : at
    return {
      key: whole.key,
      line: logLine(this.#id, when.toISOString(), whole.text, source === STDERR ? 'warn' : 'info'),
    }
  }
}
