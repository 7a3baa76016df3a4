import type { RoleName } from '../src/protocol/fleet.ts'
import { type Command, commandOf, KEY_MAP, type Key } from './keys.ts'
import { PANES } from './layout.ts'
import { agentsShown, cursorOf, type LogScope, type Look, type Model, scaleTarget, wantedOf } from './model.ts'
import { withNotice } from './news.ts'

/** What a key asks of the world; the store does it. */
export type Effect =
  | { kind: 'quit' }
  | { kind: 'redraw' }
  | { kind: 'scale'; role: RoleName; delta: 1 | -1 }
  | { kind: 'halt' }
  | { kind: 'resume' }
  | { kind: 'logs'; scope: LogScope }

export interface Outcome {
  model: Model
  effect?: Effect
}

/** Rows that a page moves by. */
const PAGE = 10

/** What one key does. Pure: the same model and key give the same outcome. */
export function pressKey(model: Model, key: Key): Outcome {
  const command = commandOf(key)
  if (command === 'quit') return { model, effect: { kind: 'quit' } }
  if (command === 'redraw') return { model, effect: { kind: 'redraw' } }
  if (model.look.question) return answer(model, key)
  if (command === undefined) return { model }
  const { over } = model.look
  if (command === 'help' || (command === 'locks' && model.snapshot !== null)) return { model: laidOver(model, command) }
  if (over) return { model: inOverlay(model, command) }
  return model.snapshot === null ? { model } : run(model, command)
}

const look = (model: Model, change: Partial<Look>): Model => ({ ...model, look: { ...model.look, ...change } })

/** The same key again takes it away. */
const laidOver = (model: Model, what: 'help' | 'locks'): Model =>
  look(model, { over: model.look.over === what ? null : what, overTop: 0 })

function inOverlay(model: Model, command: Command): Model {
  if (command === 'back') return look(model, { over: null })
  const last = model.look.over === 'help' ? KEY_MAP.length : Math.max(0, (model.snapshot?.locks.length ?? 0) - 1)
  const top = model.look.overTop + (STEPS[command] ?? 0)
  return look(model, { overTop: Math.max(0, Math.min(last, top)) })
}

function answer(model: Model, key: Key): Outcome {
  const { question } = model.look
  const closed = look(model, { question: null })
  if (key !== 'y' || question === null) return { model: closed }
  return { model: closed, effect: { kind: question } }
}

function run(model: Model, command: Command): Outcome {
  switch (command) {
    case 'next-pane':
      return { model: turn(model, 1) }
    case 'previous-pane':
      return { model: turn(model, -1) }
    case 'scale-up':
      return scale(model, 1)
    case 'scale-down':
      return scale(model, -1)
    case 'halt':
      return { model: look(model, { question: model.snapshot?.halt.set ? 'resume' : 'halt' }) }
    case 'zoom':
      return { model: look(model, { zoom: !model.look.zoom }) }
    case 'open':
      return open(model)
    case 'all':
    case 'back':
      return showAll(model)
    default:
      return { model: move(model, command) }
  }
}

function turn(model: Model, by: 1 | -1): Model {
  const next = (PANES.indexOf(model.look.focus) + by + PANES.length) % PANES.length
  return look(model, { focus: PANES[next] ?? 'fleet' })
}

/** Shows the wish at once; what the fleet really wants replaces it with the next picture. */
function scale(model: Model, delta: 1 | -1): Outcome {
  const role = scaleTarget(model)
  const view = model.snapshot?.roles.find((one) => one.role === role)
  if (!view) return { model }
  const count = wantedOf(model, view) + delta
  if (count < 0) return { model: withNotice(model, 'error', `${role} is at 0 already`) }
  const wished = { ...model, pending: { ...model.pending, [role]: count } }
  return { model: withNotice(wished, 'info', `${role} to ${count}…`), effect: { kind: 'scale', role, delta } }
}

function open(model: Model): Outcome {
  const { focus, onlyRole } = model.look
  if (focus === 'fleet') return { model: look(model, { onlyRole: !onlyRole, agent: null }) }
  if (focus !== 'agents') return { model }
  const agents = agentsShown(model)
  const agent = agents[cursorOf(agents, model.look.agent)]
  return agent ? { model, effect: { kind: 'logs', scope: { kind: 'agent', id: agent.id } } } : { model }
}

function showAll(model: Model): Outcome {
  const all = look(model, { onlyRole: false, zoom: false })
  return model.logs.scope.kind === 'fleet'
    ? { model: all }
    : { model: all, effect: { kind: 'logs', scope: { kind: 'fleet' } } }
}

const STEPS: Partial<Record<Command, number>> = {
  down: 1,
  up: -1,
  'page-down': PAGE,
  'page-up': -PAGE,
  top: Number.NEGATIVE_INFINITY,
  bottom: Number.POSITIVE_INFINITY,
}

function move(model: Model, command: Command): Model {
  const by = STEPS[command] ?? 0
  switch (model.look.focus) {
    case 'fleet':
      return moveRole(model, by)
    case 'agents': {
      const agents = agentsShown(model)
      return look(model, { agent: stepped(agents, model.look.agent, by)?.id ?? null })
    }
    case 'opportunities': {
      const opportunities = model.snapshot?.opportunities ?? []
      const next = stepped(opportunities, model.look.opportunity, by)
      return look(model, { opportunity: next === opportunities[0] ? null : (next?.id ?? null) })
    }
    case 'logs':
      return scrollLogs(model, by)
  }
}

function moveRole(model: Model, by: number): Model {
  const roles = model.snapshot?.roles.map(({ role }) => ({ id: role })) ?? []
  const role = stepped(roles, model.look.role, by)?.id ?? model.look.role
  return look(model, model.look.onlyRole ? { role, agent: null } : { role })
}

function stepped<T extends { id: string }>(rows: readonly T[], id: string | null, by: number): T | undefined {
  return rows[Math.max(0, Math.min(rows.length - 1, cursorOf(rows, id) + by))]
}

/** The view is held by the number of its last line, so that it stands still while lines come in. */
function scrollLogs(model: Model, by: number): Model {
  const { first, lines } = model.logs
  const last = first + lines.length - 1
  const end = Math.max(first, Math.min(last, (model.look.logEnd ?? last) + by))
  return look(model, { logEnd: end >= last ? null : end })
}
