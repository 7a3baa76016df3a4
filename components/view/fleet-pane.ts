import type { RoleView } from '../../src/protocol/snapshot.ts'
import { formatBytes, formatPercent } from '../format.ts'
import type { Rect } from '../layout.ts'
import { type Model, wantedOf } from '../model.ts'
import type { Paint, Theme } from '../theme.ts'
import { frame, innerHeight, innerWidth } from './frame.ts'
import { type Column, table } from './table.ts'

/** Roles: how many are wanted, run and are healthy. */
export function fleetPane(model: Model, area: Rect, theme: Theme): string[] {
  const roles = model.snapshot?.roles ?? []
  const sum = (pick: (view: RoleView) => number) => roles.reduce((total, view) => total + pick(view), 0)
  const lines = table(
    {
      columns: columnsFor(model, innerWidth(area), theme),
      rows: roles,
      cursor: roles.findIndex((view) => view.role === model.look.role),
      focused: model.look.focus === 'fleet',
      width: innerWidth(area),
      height: innerHeight(area),
    },
    theme,
  )
  const note = `${sum((v) => v.healthy)} of ${sum((v) => wantedOf(model, v))} healthy`
  return frame({ title: 'Fleet', note, focused: model.look.focus === 'fleet', lines }, area, theme)
}

/** Enough, on the way, or nobody there though somebody should be. */
function health(model: Model, view: RoleView): { glyph: string; paint: (theme: Theme) => Paint } {
  const want = wantedOf(model, view)
  if (want === 0 && view.running === 0) return { glyph: '·', paint: (theme) => theme.faint }
  if (view.healthy === want && view.running === want) return { glyph: '●', paint: (theme) => theme.good }
  if (view.healthy === 0) return { glyph: '×', paint: (theme) => theme.bad }
  return { glyph: '◐', paint: (theme) => theme.warn }
}

/** From this width on the headings are whole words. */
const ROOMY = 41

function columnsFor(model: Model, width: number, theme: Theme): Column<RoleView>[] {
  const dim = () => theme.faint
  const words = width >= ROOMY
  const roles = model.snapshot?.roles ?? []
  const counts: Column<RoleView>[] = [
    { title: '', width: 1, rank: 0, text: (v) => health(model, v).glyph, paint: (v) => health(model, v).paint(theme) },
    { title: 'role', width: 12, rank: 0, text: (v) => v.role },
    {
      title: 'want',
      width: 4,
      align: 'right',
      rank: 0,
      text: (v) => `${v.role in model.pending ? '→' : ''}${wantedOf(model, v)}`,
      paint: (v) => (v.role in model.pending ? theme.warn : (text) => text),
    },
    { title: words ? 'running' : 'run', width: words ? 7 : 3, align: 'right', rank: 0, text: (v) => String(v.running) },
    {
      title: words ? 'healthy' : 'ok',
      width: words ? 7 : 3,
      align: 'right',
      rank: 0,
      text: (v) => String(v.healthy),
      paint: (v) => health(model, v).paint(theme),
    },
    { title: 'restarts', width: 8, align: 'right', rank: 1, text: (v) => String(v.restarts), paint: dim },
  ]
  const cpu: Column<RoleView> = {
    title: 'cpu',
    width: 6,
    align: 'right',
    rank: 2,
    text: (v) => (v.cpuPercent === null ? '' : formatPercent(v.cpuPercent)),
    paint: dim,
  }
  const memory: Column<RoleView> = {
    title: 'memory',
    width: 8,
    align: 'right',
    rank: 2,
    text: (v) => (v.memoryBytes === null ? '' : formatBytes(v.memoryBytes)),
    paint: dim,
  }
  // Agents of an embedded fleet share one process: nothing can be said of each.
  return roles.some((view) => view.cpuPercent !== null || view.memoryBytes !== null) ? [...counts, cpu, memory] : counts
}
