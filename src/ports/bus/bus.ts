import type { RoleName } from '../../protocol/fleet.ts'
import type { BusMessage } from '../../protocol/task.ts'

/**
 * Delivers each message to one consumer of its role's queue, at least once: a message whose handler threw, or whose
 * consumer died before the handler resolved, is delivered again, to whoever is there. Nothing that `publish`
 * acknowledged is lost while the broker's data lives. Order is not promised.
 *
 * A message that fails 20 times, or is malformed, becomes a dead letter: it leaves its queue for the one beside it. A
 * failure is a handler that threw, or a consumer that was gone before it was done; a transient FleetError is none, so
 * that a message outlives an outage of what its handler needs.
 *
 * Every method throws FleetError `bus_unreachable` (transient) within about 10 s when the broker cannot be reached;
 * consumers come back by themselves once it can be.
 */
export interface TaskBus {
  /** Resolves when the broker has the message safe (publisher confirm). One that was not confirmed may arrive all the same. */
  publish(role: RoleName, message: BusMessage): Promise<void>
  /** Starts to take messages of a role. Resolving acknowledges; throwing returns the message, after a pause that grows. */
  consume(role: RoleName, handle: MessageHandler, options?: ConsumeOptions): Promise<Consumer>
  /** Messages that wait in the role's queue: not those that a consumer holds. */
  depth(role: RoleName): Promise<number>
  /** Stops what consumes here, without a grace, and lets the process end. */
  close(): Promise<void>
}

export type MessageHandler = (message: BusMessage, delivery: Delivery) => Promise<void>

export interface Delivery {
  /** It may have been handled before. */
  redelivered: boolean
  /** When it was first published, by the publisher's clock; milliseconds since 1970. */
  publishedAt: number
  /** Aborts when the message is no longer ours (connection lost, consumer stopped for good). */
  signal: AbortSignal
}

export interface ConsumeOptions {
  /** Messages in hand at once; 1 unless told. */
  prefetch?: number
}

export interface Consumer {
  /** Takes nothing new, waits up to `graceMs` (10 s unless told) for what is in hand, returns the rest to the queue. */
  stop(graceMs?: number): Promise<void>
}
