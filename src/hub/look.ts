import { setTimeout as pause } from 'node:timers/promises'
import type { SharedMemory } from '../ports/memory/memory.ts'
import { asFleetError, type FleetError } from '../protocol/errors.ts'

export interface LookOptions {
  memory: SharedMemory
  topics: { prefixes?: readonly string[]; streams?: readonly string[] }
  /** Looks at least so often, nudged or not. */
  everyMs: number
  /** And at most so often. */
  gapMs: number
  signal: AbortSignal
  /** Hears the first failure of a row, and undefined when looking works again. */
  onFault: (fault: FleetError | undefined) => void
}

/** Looks at shared memory when nudged and when the clock says so, for ever: an outage only delays. Never throws. */
export async function keepLooking(options: LookOptions, look: () => Promise<void>): Promise<void> {
  const { everyMs, gapMs, signal, onFault } = options
  const bell = openBell()
  const ringing = ring(options, bell.ring)
  let faulty = false
  while (!signal.aborted) {
    const heard = bell.next()
    try {
      await look()
      if (faulty) onFault(undefined)
      faulty = false
    } catch (thrown) {
      if (!faulty) onFault(asFleetError(thrown))
      faulty = true
    }
    await sleep(gapMs, signal)
    const clock = new AbortController()
    await Promise.race([heard, sleep(everyMs, AbortSignal.any([signal, clock.signal]))])
    clock.abort()
  }
  await ringing
}

/** Rings for every nudge; comes back by itself when the connection that nudges breaks. */
async function ring({ memory, topics, everyMs, signal }: LookOptions, nudged: () => void): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const _nudge of memory.watch(topics, signal)) nudged()
    } catch {
      // The clock goes on meanwhile, and the look itself reports what is wrong.
    }
    await sleep(everyMs, signal)
  }
}

function openBell(): { ring: () => void; next: () => Promise<void> } {
  let rung = () => {}
  return {
    ring: () => rung(),
    next: () =>
      new Promise((resolve) => {
        rung = resolve
      }),
  }
}

/** Resolves after the time or when the signal aborts. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(ms, undefined, { signal }).catch(() => undefined)
