import { setTimeout as pause } from 'node:timers/promises'
import type { Consumer, MessageHandler, TaskBus } from '../src/ports/bus/bus.ts'
import { asFleetError } from '../src/protocol/errors.ts'
import type { AgentState, RoleName } from '../src/protocol/fleet.ts'

export interface Intake {
  /** Takes messages while `why` is null; otherwise takes none and stands by. Applied one after another, in the background. */
  standby(why: string | null): void
  /** Takes messages, unless it was told to stand by. */
  open(): Promise<void>
  /** Takes nothing new and waits up to `graceMs` for what is in hand; the rest goes back to the queue. For good. */
  close(graceMs: number): Promise<void>
}

export interface IntakeOptions {
  bus: TaskBus
  role: RoleName
  prefetch: number
  handle: MessageHandler
  become(state: AgentState, note?: string): Promise<void>
}

const RETRY_MS = 1_000
const STANDBY_GRACE_MS = 5_000

/** Turns one agent's consumer on and off, one change at a time. A bus that cannot be reached is tried again for ever. */
export function openIntake({ bus, role, prefetch, handle, become }: IntakeOptions): Intake {
  let consumer: Consumer | undefined
  let why: string | null = null
  let opened = false
  let closed = false
  let turn: Promise<void> = Promise.resolve()

  const stop = async (graceMs: number): Promise<void> => {
    const stopping = consumer
    consumer = undefined
    await stopping?.stop(graceMs)
  }

  const take = async (): Promise<void> => {
    while (!consumer && !closed && why === null) {
      try {
        consumer = await bus.consume(role, handle, { prefetch })
      } catch (thrown) {
        await become('unhealthy', asFleetError(thrown).message)
        await pause(RETRY_MS)
      }
    }
  }

  const settle = async (): Promise<void> => {
    if (closed || !opened) return
    if (why !== null) {
      await stop(STANDBY_GRACE_MS)
      if (why !== null && !closed) await become('standby', why)
      return
    }
    await take()
    if (consumer && why === null && !closed) await become('healthy')
  }

  const next = (work: () => Promise<void>): Promise<void> => {
    turn = turn.then(work, work)
    return turn
  }

  return {
    standby(reason) {
      why = reason
      // A failure to stop one consumer is met again when the next change is applied; the state shown is written last.
      next(settle).catch(() => undefined)
    },
    open() {
      opened = true
      return next(settle)
    },
    close(graceMs) {
      closed = true
      return next(() => stop(graceMs))
    },
  }
}
