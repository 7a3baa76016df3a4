import { SERVICE_NAMES } from '../../src/protocol/fleet.ts'
import { formatClock } from '../format.ts'
import type { Rect } from '../layout.ts'
import type { Model, ServiceProgress } from '../model.ts'
import { cut, fit, plain } from '../text.ts'
import { STATE_GLYPH, statePaint, type Theme } from '../theme.ts'
import { emptyLines, frame, innerHeight, innerWidth } from './frame.ts'

export interface Placed {
  area: Rect
  lines: string[]
}

/** What is up already while the fleet starts: services, agents, and what the start says. */
export function startupPanes(model: Model, body: Rect, theme: Theme): Placed[] {
  const { services, agents, notes } = model.startup
  const upper = body.height >= FULL_TOP + 5 ? { ...body, height: FULL_TOP } : body
  const lower = { ...body, y: body.y + upper.height, height: body.height - upper.height }
  const left = { ...upper, width: Math.floor(body.width * 0.5) }
  const right = { ...upper, x: left.width, width: body.width - left.width }
  const healthy = agents.filter((agent) => agent.state === 'healthy' || agent.state === 'standby').length
  const placed = [
    {
      area: left,
      lines: frame({ title: 'Services', focused: false, lines: serviceLines(services, left, theme) }, left, theme),
    },
    {
      area: right,
      lines: frame(
        {
          title: 'Agents',
          note: agents.length ? `${healthy} of ${agents.length} healthy` : '',
          focused: false,
          lines: agentLines(model, right, theme),
        },
        right,
        theme,
      ),
    },
  ]
  if (lower.height < 3) return placed
  const said = notes.slice(-innerHeight(lower)).map(({ at, level, message }) => {
    const text = cut(plain(message), innerWidth(lower) - 9)
    const paint = level === 'error' ? theme.bad : level === 'warn' ? theme.warn : (t: string) => t
    return `${theme.faint(formatClock(at))} ${paint(text)}`
  })
  const lines = said.length ? said : emptyLines('nothing to tell yet', lower, theme)
  return [...placed, { area: lower, lines: frame({ title: 'Progress', focused: false, lines }, lower, theme) }]
}

/** Ten agents and the frame. */
const FULL_TOP = 13

const READY = new Set(['healthy', 'running', 'ready', 'up'])
const FAILED = new Set(['unhealthy', 'failed', 'dead', 'exited'])

function serviceLines(services: readonly ServiceProgress[], area: Rect, theme: Theme): string[] {
  if (services.length === 0) return emptyLines('asking the engine…', area, theme)
  const order = (name: string) => {
    const at = (SERVICE_NAMES as readonly string[]).indexOf(name)
    return at === -1 ? SERVICE_NAMES.length : at
  }
  return [...services]
    .sort((a, b) => order(a.name) - order(b.name))
    .map(({ name, state, note }) => {
      const bad = FAILED.has(state)
      const glyph = READY.has(state) ? theme.good('●') : bad ? theme.bad('×') : theme.warn('◐')
      const rest = cut(note ? `${plain(state)}  ${plain(note)}` : plain(state), innerWidth(area) - 14)
      return `${glyph} ${fit(plain(name), 11)} ${bad ? theme.bad(rest) : theme.faint(rest)}`
    })
}

function agentLines(model: Model, area: Rect, theme: Theme): string[] {
  const { agents } = model.startup
  if (agents.length === 0) return emptyLines('after the services', area, theme)
  const height = innerHeight(area)
  // Those on their way first, so that a long list shows what is waited for.
  const ready = (state: string) => (state === 'healthy' || state === 'standby' ? 1 : 0)
  const ordered = agents.length > height ? [...agents].sort((a, b) => ready(a.state) - ready(b.state)) : agents
  return ordered.slice(0, height).map(({ id, state }) => {
    const paint = statePaint(theme, state)
    return `${paint(STATE_GLYPH[state])} ${fit(id, 16)} ${paint(cut(state, innerWidth(area) - 19))}`
  })
}
