import type { FleetClient } from '../src/client/client.ts'
import { asFleetError } from '../src/protocol/errors.ts'
import type { FleetEvent } from '../src/protocol/event.ts'
import type { Effect } from './commands.ts'
import { pressKey } from './commands.ts'
import { createFleetOrders, type FleetOrders } from './fleet-orders.ts'
import type { Key } from './keys.ts'
import type { Size } from './layout.ts'
import { followLogs } from './log-follower.ts'
import { initialModel, type LogScope, type Model, sameScope } from './model.ts'
import {
  withFailure,
  withLogLines,
  withLogScope,
  withNotice,
  withProgress,
  withSnapshot,
  withTime,
  withUsage,
  withWanted,
} from './news.ts'
import { pollSnapshots } from './poller.ts'

/** Pictures shown a second, at most; a key press is shown at once. */
const FRAME_MS = 250
const TICK_MS = 1_000
/** Above so many agents the logs begin with one coordinator: a stream of every container is asked for, never given. */
const LOGS_OF_ALL = 30

export interface Store {
  model(): Model
  /** React's `useSyncExternalStore` shape. */
  subscribe(listener: () => void): () => void
  press(keys: readonly Key[]): void
  resize(size: Size): void
  /** What the start tells, before there is a client. */
  progress(event: FleetEvent): void
  /** From here on the fleet is polled, and never given up. */
  attach(client: FleetClient): void
  close(): void
}

export interface StoreOptions {
  size: Size
  fleet: string
  onQuit(): void
  onRedraw(): void
  /** Milliseconds of the wall clock; tests hand in their own. */
  now?: () => number
}

/** The one store of the screen, outside React: the world writes, React reads, both through an immutable model. */
export function createStore(options: StoreOptions): Store {
  const now = options.now ?? Date.now
  const listeners = new Set<() => void>()
  const closing = new AbortController()
  let model = initialModel({ size: options.size, now: now(), fleet: options.fleet })
  let client: FleetClient | undefined
  let orders: FleetOrders | undefined
  let stopLogs: (() => void) | undefined
  let frame: NodeJS.Timeout | undefined
  let shownAt = 0

  const show = () => {
    clearTimeout(frame)
    frame = undefined
    shownAt = performance.now()
    for (const listener of listeners) listener()
  }
  /** Changes the model; the picture follows within FRAME_MS. */
  const change = (next: (model: Model) => Model) => {
    const before = model
    model = next(model)
    if (model === before || closing.signal.aborted) return
    frame ??= setTimeout(show, Math.max(0, FRAME_MS - (performance.now() - shownAt)))
  }

  const openLogs = (scope: LogScope) => {
    stopLogs?.()
    change((m) => withLogScope(m, scope))
    if (!client) return
    stopLogs = followLogs(client, scope, {
      begin: () => change((m) => (m.logs.lines.length ? { ...m, logs: { ...m.logs, lines: [], first: 0 } } : m)),
      lines: (lines) => change((m) => withLogLines(m, lines)),
      fail: (failure) => change((m) => ({ ...m, logs: { ...m.logs, failure } })),
    })
  }

  const loadChart = async () => {
    try {
      const { drawLine } = await import('./chart/line-widget.ts')
      change((m) => ({ ...m, chart: drawLine }))
    } catch (thrown) {
      change((m) => withNotice(m, 'error', `the chart cannot be drawn: ${asFleetError(thrown).message}`))
    }
  }

  const act = (effect: Effect) => {
    switch (effect.kind) {
      case 'quit':
        return options.onQuit()
      case 'redraw':
        return options.onRedraw()
      case 'logs':
        return sameScope(effect.scope, model.logs.scope) ? undefined : openLogs(effect.scope)
      case 'scale':
        return orders?.scale(effect.role, effect.delta)
      case 'halt':
        return orders?.halt()
      case 'resume':
        return orders?.resume()
    }
  }

  const tick = setInterval(() => change((m) => withTime(m, now())), TICK_MS)

  return {
    model: () => model,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    press(keys) {
      const before = model
      for (const key of keys) {
        const outcome = pressKey(model, key)
        model = outcome.model
        if (outcome.effect) act(outcome.effect)
        if (closing.signal.aborted) return
      }
      if (model !== before) show()
    },
    resize(size) {
      model = { ...model, size }
      show()
    },
    progress: (event) => change((m) => withProgress(m, event)),
    attach(attached) {
      client = attached
      orders = createFleetOrders(attached, {
        say: (level, text) => change((m) => withNotice(m, level, text)),
        answered: (role, want) => change((m) => withWanted(m, role, want)),
        lookAgain: () => poll.nudge(),
      })
      const poll = pollSnapshots(attached, closing.signal, {
        picture: (snapshot) => {
          const first = model.snapshot === null
          change((m) => withSnapshot(m, snapshot, now()))
          if (!first) return
          const coordinator = snapshot.agents.find(({ role }) => role === 'coordinator')
          const many = snapshot.agents.length > LOGS_OF_ALL && coordinator
          void loadChart()
          openLogs(many ? { kind: 'agent', id: coordinator.id } : { kind: 'fleet' })
          show()
        },
        usage: (roles) => change((m) => withUsage(m, roles)),
        fail: (thrown) => change((m) => withTime(withFailure(m, asFleetError(thrown).message), now())),
      })
    },
    close() {
      closing.abort()
      stopLogs?.()
      clearInterval(tick)
      clearTimeout(frame)
      listeners.clear()
    },
  }
}
