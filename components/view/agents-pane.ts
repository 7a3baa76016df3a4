import type { AgentView } from '../../src/protocol/snapshot.ts'
import { ageOf, formatCount, shortId } from '../format.ts'
import type { Rect } from '../layout.ts'
import { agentsShown, cursorOf, type Model } from '../model.ts'
import { plain } from '../text.ts'
import { STATE_GLYPH, statePaint, type Theme } from '../theme.ts'
import { emptyLines, frame, innerHeight, innerWidth } from './frame.ts'
import { type Column, table } from './table.ts'

/** One row an agent. */
export function agentsPane(model: Model, area: Rect, theme: Theme): string[] {
  const agents = agentsShown(model)
  const focused = model.look.focus === 'agents'
  const cursor = cursorOf(agents, model.look.agent)
  const lines =
    agents.length === 0
      ? emptyLines(model.look.onlyRole ? `no ${model.look.role} runs; + starts one` : 'no agent runs', area, theme)
      : table(
          {
            columns: columnsFor(model, theme),
            rows: agents,
            cursor,
            focused,
            width: innerWidth(area),
            height: innerHeight(area),
          },
          theme,
        )
  const title = model.look.onlyRole ? `Agents · ${model.look.role}` : 'Agents'
  const note = agents.length > innerHeight(area) - 1 ? `${cursor + 1} of ${agents.length}` : `${agents.length}`
  return frame({ title, note, focused, lines }, area, theme)
}

function columnsFor(model: Model, theme: Theme): Column<AgentView>[] {
  const dim = () => theme.faint
  const byState = (agent: AgentView) => statePaint(theme, agent.state)
  return [
    { title: '', width: 1, rank: 0, text: (a) => STATE_GLYPH[a.state], paint: byState },
    { title: 'agent', width: 15, rank: 0, text: (a) => a.id },
    { title: 'state', width: 9, rank: 0, text: (a) => a.state, paint: byState },
    {
      title: 'task',
      width: 11,
      rank: 2,
      text: (a) => (a.task === null ? '–' : shortId(a.task)),
      paint: (a) => (a.task === null ? theme.faint : theme.accent),
    },
    { title: 'done', width: 5, align: 'right', rank: 1, text: (a) => formatCount(a.tasksDone) },
    { title: 'age', width: 4, align: 'right', rank: 3, text: (a) => ageOf(a.startedAt, model.now), paint: dim },
    { title: 'restarts', width: 8, align: 'right', rank: 4, text: (a) => String(a.restarts), paint: dim },
    { title: 'note', width: 8, rank: 5, grows: true, text: (a) => plain(a.note ?? ''), paint: dim },
  ]
}
