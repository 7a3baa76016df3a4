import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { Nudges } from '../nudges.ts'
import type { DockerConnection } from './connect.ts'
import { fleetFilter } from './names.ts'

const FIRST_BACKOFF_MS = 200
const MAX_BACKOFF_MS = 10_000
/** The daemon answers an instant before it listens for events itself. */
const SETTLE_MS = 200
/** No `exec_*`: they come with every health probe, and carry whole command lines. */
const KINDS = ['create', 'start', 'die', 'oom', 'destroy', 'rename', 'pause', 'unpause', 'update', 'health_status']

/** Who wants to know more than that something may have changed. */
export interface EventHearer {
  /** The stream opened (true) or broke. */
  hear(hearing: boolean): void
  /** Something happened to this container. */
  forget(containerId: string): void
}

/** One event stream of the fleet for all who listen, opened with the first of them and opened again for ever. */
export class EventStream {
  readonly #connection: DockerConnection
  readonly #fleet: string
  readonly #hearer: EventHearer
  readonly #nudges = new Nudges()
  readonly #stop = new AbortController()
  #open = false

  constructor(connection: DockerConnection, fleet: string, hearer: EventHearer) {
    this.#connection = connection
    this.#fleet = fleet
    this.#hearer = hearer
  }

  listen(signal: AbortSignal): AsyncIterable<void> {
    this.open()
    return this.#nudges.listen(signal)
  }

  /** Does nothing when it is open already. */
  open(): void {
    if (this.#open) return
    this.#open = true
    void this.#keepOpen()
  }

  close(): void {
    this.#stop.abort()
    this.#nudges.close()
  }

  async #keepOpen(): Promise<void> {
    const { signal } = this.#stop
    let backoffMs = 0
    while (!signal.aborted) {
      const lasted = await this.#stream(backoffMs > 0)
      if (signal.aborted) return
      if (lasted) this.#nudges.nudge() // whoever looks now learns that the daemon cannot be seen
      backoffMs = lasted ? FIRST_BACKOFF_MS : Math.min(MAX_BACKOFF_MS, Math.max(FIRST_BACKOFF_MS, backoffMs * 2))
      // Half of it at random, so that not everybody comes back at once.
      await pause(backoffMs * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** One connection, to its end. @returns whether it was open at all */
  async #stream(again: boolean): Promise<boolean> {
    let stream: Readable | undefined
    let settling: NodeJS.Timeout | undefined
    const stop = () => stream?.destroy()
    this.#stop.signal.addEventListener('abort', stop, { once: true })
    try {
      stream = (await this.#connection.docker.getEvents({
        filters: { type: ['container'], event: KINDS, ...fleetFilter(this.#fleet) },
        abortSignal: this.#stop.signal,
      })) as Readable
      settling = setTimeout(() => this.#hearer.hear(true), SETTLE_MS)
      if (again) this.#nudges.nudge() // something may have happened in between
      for await (const ids of idsOf(stream)) {
        for (const id of ids) this.#hearer.forget(id)
        this.#nudges.nudge()
      }
      return true
    } catch {
      return stream !== undefined // the loop comes back; whoever looks in the meantime gets the error from `list`
    } finally {
      clearTimeout(settling)
      this.#hearer.hear(false)
      this.#stop.signal.removeEventListener('abort', stop)
      stream?.destroy()
    }
  }
}

/** The containers that events tell of, as they come: a line of JSON each. */
async function* idsOf(stream: Readable): AsyncGenerator<string[]> {
  let rest = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    const ids = lines.flatMap((line) => /"id":"([0-9a-f]{64})"/.exec(line)?.[1] ?? [])
    if (ids.length > 0) yield ids
  }
}
