import type { FleetClient } from '../src/client/client.ts'
import { FleetError } from '../src/protocol/errors.ts'
import type { Snapshot } from '../src/protocol/snapshot.ts'

/** At most four looks a second, at least one. */
const FASTEST_MS = 250
const SLOWEST_MS = 1_000
const LONGEST_BACK_OFF_MS = 10_000
const ANSWER_MS = 10_000
/** Between two looks at cpu and memory. */
const USAGE_MS = 5_000

export interface Poll {
  /** Look again soon. */
  nudge(): void
}

/**
 * Asks for pictures until the signal aborts, whatever happens: a failure is told and tried again, after 1, 2, 4, … seconds,
 * at most 10. Nudges come from the client's changes and are gathered.
 */
export function pollSnapshots(
  client: FleetClient,
  signal: AbortSignal,
  told: { picture(snapshot: Snapshot): void; usage(roles: Snapshot['roles']): void; fail(thrown: unknown): void },
): Poll {
  let nudged = false
  let wake: () => void = () => undefined
  const nudge = () => {
    nudged = true
    wake()
  }
  signal.addEventListener('abort', () => wake(), { once: true })

  const pause = (ms: number, untilNudged: boolean) =>
    new Promise<void>((resolve) => {
      if (signal.aborted || (untilNudged && nudged)) return resolve()
      const done = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(done, ms)
      wake = () => {
        if (untilNudged || signal.aborted) done()
      }
    })

  /** @returns failures in a row so far */
  const look = async (failures: number): Promise<number> => {
    nudged = false
    try {
      const snapshot = await answered(client.snapshot())
      if (!signal.aborted) told.picture(snapshot)
      return 0
    } catch (thrown) {
      if (!signal.aborted) told.fail(thrown)
      return failures + 1
    }
  }

  const lookOn = async () => {
    let failures = 0
    while (!signal.aborted) {
      const asked = performance.now()
      failures = await look(failures)
      const { least, most } = pauseAfter(failures, performance.now() - asked)
      await pause(least, false)
      await pause(most - least, true)
    }
  }

  const hear = async () => {
    while (!signal.aborted) {
      try {
        for await (const _nudge of client.changes(signal)) nudge()
      } catch {
        // Nudges only make it quicker; what is wrong is told by the look that fails.
      }
      await pauseFor(SLOWEST_MS, signal)
    }
  }

  /** Apart from the pictures: asking every container what it uses takes its time. */
  const weigh = async () => {
    while (!signal.aborted && client.engine !== 'embedded') {
      try {
        const { roles } = await answered(client.snapshot({ usage: true }))
        if (!signal.aborted) told.usage(roles)
      } catch {
        // What is wrong is told by the look that fails.
      }
      await pauseFor(USAGE_MS, signal)
    }
  }

  void lookOn()
  void weigh()
  void hear()
  return { nudge }
}

/**
 * How long until the next look: `least` in any case, up to `most` unless nudged. A fleet that takes long to answer is asked
 * less often, at least once a second all the same.
 */
function pauseAfter(failures: number, tookMs: number): { least: number; most: number } {
  if (failures === 0) return { least: Math.min(SLOWEST_MS, Math.max(FASTEST_MS, tookMs * 2)), most: SLOWEST_MS }
  return { least: SLOWEST_MS, most: Math.min(LONGEST_BACK_OFF_MS, SLOWEST_MS * 2 ** (failures - 1)) }
}

/** Waits, or less when the signal aborts. */
export function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}

async function answered<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(silent()), ANSWER_MS)
  })
  try {
    return await Promise.race([answer, silence])
  } finally {
    clearTimeout(timer)
  }
}

const silent = () =>
  new FleetError('timeout', `the fleet did not answer within ${ANSWER_MS / 1000} s`, {
    remedy: 'The screen goes on asking; `arbdeck status` in another terminal says more.',
    transient: true,
  })
