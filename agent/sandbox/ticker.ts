import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs `work` at start + everyMs, start + 2·everyMs, … until the signal aborts. Never two at once: turns that passed while one
 * ran are left out, and the next one is in step again. `work` must not reject.
 */
export async function tick(everyMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  const start = performance.now()
  let turn = 0
  while (!signal.aborted) {
    // Timers may fire a little early: no turn comes twice.
    turn = Math.max(turn, Math.floor((performance.now() - start) / everyMs)) + 1
    await rest(start + turn * everyMs - performance.now(), signal)
    if (!signal.aborted) await work()
  }
}

/** Waits, or until the signal aborts. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(Math.max(0, ms), undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
