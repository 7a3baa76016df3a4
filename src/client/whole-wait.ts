import type { FleetEvent } from '../protocol/event.ts'
import { isWhole, type Snapshot } from '../protocol/snapshot.ts'
import type { FleetClient } from './client.ts'

/** Between two looks when no event tells that it may be whole by now. */
const LOOK_EVERY_MS = 2_000
/** The last events are told after what they tell of can be seen. */
const ON_THE_WAY_MS = 100
/** After so many failures in a row a unit counts as one that does not come up. */
const GIVE_UP_AFTER = 3

export interface Open {
  /** All that is missing failed again and again: waiting longer is of no use. */
  failed: boolean
  /** What is missing, in words. */
  words: string
}

/** Waits for a fleet to be as wanted. Events say what happens; the whole is looked at only when they say that it may be there. */
export class WholeWait {
  readonly #client: FleetClient
  readonly #show: (event: FleetEvent) => void
  readonly #life = new AbortController()
  /** Events that must still come before it can be whole, as far as the last look could tell. */
  #due = 0
  #wake = () => {}

  /** @param show hears what happens to units from `begin` on */
  constructor(client: FleetClient, show: (event: FleetEvent) => void) {
    this.#client = client
    this.#show = show
  }

  /** Listens from now on. */
  async begin(): Promise<void> {
    const events = this.#client.events({ follow: true }, this.#life.signal)[Symbol.asyncIterator]()
    const first = events.next()
    void this.#listen(events, first)
    // The first answer to anything asked after it means that it listens.
    await this.#client.snapshot()
  }

  /** @returns `whole`, or what is missing when the time is up, the signal aborts, or nothing more is to be expected */
  async whole(timeoutMs: number, signal: AbortSignal): Promise<'whole' | Open> {
    const deadline = Date.now() + timeoutMs
    const abort = () => this.#wake()
    signal.addEventListener('abort', abort)
    try {
      for (;;) {
        const snapshot = await this.#client.snapshot()
        if (isWhole(snapshot)) {
          await this.#wait(ON_THE_WAY_MS)
          return 'whole'
        }
        const open = missing(snapshot)
        const leftMs = deadline - Date.now()
        if (open.failed || leftMs <= 0 || signal.aborted) return { ...open, words: endWords(open, timeoutMs) }
        this.#due = open.count
        await this.#wait(Math.min(LOOK_EVERY_MS, leftMs))
      }
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  end(): void {
    this.#life.abort()
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms)
      function done() {
        clearTimeout(timer)
        resolve()
      }
      this.#wake = done
    })
  }

  async #listen(events: AsyncIterator<FleetEvent>, first: Promise<IteratorResult<FleetEvent>>): Promise<void> {
    try {
      for (let next = await first; !next.done; next = await events.next()) this.#hear(next.value)
    } catch {
      // The clock looks all the same, and says what is wrong.
    }
  }

  #hear(event: FleetEvent): void {
    if (this.#life.signal.aborted) return
    if (isProgress(event)) this.#show(event)
    if (!isArrival(event)) return
    this.#due--
    if (this.#due <= 0) this.#wake()
  }
}

/** What happens to units of a fleet that scales. */
function isProgress(event: FleetEvent): boolean {
  return event.type === 'step' || event.type === 'failure' || event.type === 'agent' || event.type === 'service'
}

/** What brings a fleet nearer to being whole. */
function isArrival(event: FleetEvent): boolean {
  if (event.type === 'step') return event.kind === 'stop'
  if (event.type === 'failure') return event.count >= GIVE_UP_AFTER
  return (
    (event.type === 'agent' && (event.state === 'healthy' || event.state === 'standby')) ||
    (event.type === 'service' && event.state === 'healthy')
  )
}

/** What is missing for the fleet to be as wanted, and how many units that is. */
function missing({ roles, agents, services, failures }: Snapshot): Open & { count: number } {
  const healthy = new Set(agents.filter(({ state }) => state === 'healthy' || state === 'standby').map(({ id }) => id))
  const wanted = roles.flatMap(({ role, want }) => Array.from({ length: want }, (_, i) => `${role}-${i + 1}` as const))
  const absent = wanted.filter((id) => !healthy.has(id))
  const surplus = agents.map(({ id }) => id).filter((id) => !wanted.includes(id))
  const ill = services
    .filter(({ state, health }) => state !== 'running' || health !== 'healthy')
    .map(({ name }) => name)
  const why = new Map(failures.filter(({ count }) => count >= GIVE_UP_AFTER).map((failure) => [failure.id, failure]))
  const failing = absent.flatMap((id) => why.get(id) ?? [])
  const failed = absent.length > 0 && failing.length === absent.length && surplus.length + ill.length === 0
  const reasons = failing.map(({ id, cause, lines }) => `${id} ${cause}${lines.length > 0 ? ` (${lines.at(-1)})` : ''}`)
  const open = [
    ...roles.filter((r) => r.want !== r.healthy).map((r) => `${r.role} ${r.healthy} of ${r.want} healthy`),
    ...(surplus.length > 0 ? [`${surplus.join(', ')} still there`] : []),
    ...(ill.length > 0 ? [`${ill.join(', ')} not healthy`] : []),
    ...reasons,
  ]
  return { failed, count: absent.length + surplus.length + ill.length, words: open.join('; ') }
}

const endWords = ({ failed, words }: Open, timeoutMs: number): string =>
  failed ? `all but this is as wanted: ${words}` : `the fleet is not as wanted after ${timeoutMs / 1_000} s: ${words}`
