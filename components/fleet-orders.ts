import type { FleetClient } from '../src/client/client.ts'
import { asFleetError } from '../src/protocol/errors.ts'
import type { RoleName } from '../src/protocol/fleet.ts'
import type { Notice } from './model.ts'

export interface FleetOrders {
  scale(role: RoleName, delta: number): void
  halt(): void
  resume(): void
}

export interface OrderSink {
  say(level: Notice['level'], text: string): void
  /** The fleet has answered: so many are wanted now; null: it refused, what was wanted before stands. */
  answered(role: RoleName, want: number | null): void
  lookAgain(): void
}

/** Carries out what the keys ask for, one call at a time. Steps asked for while a call is under way go as one. */
export function createFleetOrders(client: FleetClient, sink: OrderSink): FleetOrders {
  const waiting = new Map<RoleName, number>()
  let sending = false

  const send = async () => {
    if (sending) return
    sending = true
    for (let next = first(waiting); next; next = first(waiting)) {
      const [role, count] = next
      waiting.delete(role)
      await scaleBy(role, count)
    }
    sending = false
    sink.lookAgain()
  }

  const scaleBy = async (role: RoleName, count: number) => {
    if (count === 0) return
    try {
      const counts = await client.scale([{ role, op: 'add', count }])
      if (!waiting.has(role)) sink.answered(role, counts[role] ?? 0)
      sink.say('info', `${role}: ${counts[role] ?? 0} wanted`)
    } catch (thrown) {
      waiting.delete(role)
      sink.answered(role, null)
      sink.say('error', said(thrown))
    }
  }

  const tell = (work: Promise<void>, done: string) => {
    work.then(
      () => {
        sink.say('info', done)
        sink.lookAgain()
      },
      (thrown) => sink.say('error', said(thrown)),
    )
  }

  return {
    scale(role, delta) {
      waiting.set(role, (waiting.get(role) ?? 0) + delta)
      void send()
    },
    halt: () => tell(client.halt('by hand, on the screen'), 'halted: no executor signs'),
    resume: () => tell(client.resume(), 'resumed'),
  }
}

const first = <K, V>(map: Map<K, V>): [K, V] | undefined => map.entries().next().value

function said(thrown: unknown): string {
  const { message, remedy } = asFleetError(thrown)
  return `${message}. ${remedy}`.replace('..', '.')
}
