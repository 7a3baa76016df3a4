import { asFleetError } from '../../protocol/errors.ts'
import { parse } from '../../protocol/json.ts'
import { BusMessageSchema } from '../../protocol/task.ts'
import type { Delivery, MessageHandler } from './bus.ts'

export interface RetryPolicy {
  /** Pause after the first throw; it doubles with each further one. */
  firstPauseMs: number
  longestPauseMs: number
  /** Failures of one message after which it is a dead letter: throws, but for transient errors, and lost consumers. */
  maxFailures: number
}

export const RETRY: RetryPolicy = { firstPauseMs: 200, longestPauseMs: 5_000, maxFailures: 20 }

/** What one message has been through; travels with it. */
export interface Tries {
  /** Failures, and throws of transient errors. */
  returns: number
  /** Throws that nobody called transient, and consumers that were gone before they were done with it. */
  failures: number
  /** Milliseconds since 1970; 0 where it is not known. */
  publishedAt: number
}

export const firstTry = (): Tries => ({ returns: 0, failures: 0, publishedAt: Date.now() })

/** What to do with a message now: it is done with; it waits and is delivered again; nobody can handle it. */
export type Outcome =
  | { kind: 'done' }
  | { kind: 'again'; pauseMs: number; tries: Tries }
  | { kind: 'dead'; reason: string }

/** Hands a message, as JSON text, to a handler. Never throws: what the handler threw is in the outcome. */
export async function handleOnce(
  text: string,
  tries: Tries,
  handle: MessageHandler,
  delivery: Delivery,
  policy: RetryPolicy,
): Promise<Outcome> {
  let message: ReturnType<typeof BusMessageSchema.parse>
  try {
    message = parse(BusMessageSchema, text, 'a message on the bus')
  } catch (thrown) {
    return { kind: 'dead', reason: asFleetError(thrown).message }
  }
  try {
    await handle(message, delivery)
    return { kind: 'done' }
  } catch (thrown) {
    return afterThrow(thrown, tries, policy)
  }
}

/** A consumer was gone while it had the message in hand: it may be the message that ends them. */
export function afterLoss(tries: Tries, policy: RetryPolicy): Exclude<Outcome, { kind: 'done' }> {
  const failures = tries.failures + 1
  if (failures < policy.maxFailures)
    return { kind: 'again', pauseMs: 0, tries: { ...tries, returns: tries.returns + 1, failures } }
  return { kind: 'dead', reason: `it failed ${failures} times: its consumer was gone before it was done` }
}

function afterThrow(thrown: unknown, tries: Tries, policy: RetryPolicy): Outcome {
  const { message, transient } = asFleetError(thrown)
  const failures = tries.failures + (transient ? 0 : 1)
  if (failures >= policy.maxFailures) return { kind: 'dead', reason: `it failed ${failures} times: ${message}` }
  const pauseMs = Math.min(policy.firstPauseMs * 2 ** Math.min(tries.returns, 20), policy.longestPauseMs)
  return { kind: 'again', pauseMs, tries: { ...tries, returns: tries.returns + 1, failures } }
}
