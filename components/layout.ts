export const PANES = ['fleet', 'agents', 'opportunities', 'logs'] as const
/** Panes that take the focus, in Tab's order. */
export type PaneName = (typeof PANES)[number]
export type AreaName = PaneName | 'chart'

export interface Size {
  columns: number
  rows: number
}
export interface Rect {
  x: number
  y: number
  width: number
  height: number
}

/** `small`: no room, one line says so. `single`: only the pane that has the focus. `split`: several. */
export interface Layout {
  kind: 'small' | 'single' | 'split'
  /** Rows of the status bar; the last row of the screen holds the key hints. */
  statusRows: number
  areas: Partial<Record<AreaName, Rect>>
}

export const SMALLEST: Size = { columns: 60, rows: 15 }
/** Ten roles, their header and the frame. */
export const FLEET_ROWS = 13

export const isTooSmall = (size: Size): boolean => size.columns < SMALLEST.columns || size.rows < SMALLEST.rows

export interface LayoutWish {
  focus: PaneName
  zoom: boolean
  /** Rows that the list of agents would like to show. */
  agents: number
}

/** Where everything goes. The areas tile the rows between status bar and hints without gap or overlap. */
export function layoutOf(size: Size, wish: LayoutWish): Layout {
  if (isTooSmall(size)) return { kind: 'small', statusRows: 0, areas: {} }
  const statusRows = size.rows >= 24 ? 2 : 1
  const body: Rect = { x: 0, y: statusRows, width: size.columns, height: size.rows - statusRows - 1 }
  const areas = wish.zoom ? undefined : split(body, wish)
  return areas ? { kind: 'split', statusRows, areas } : { kind: 'single', statusRows, areas: { [wish.focus]: body } }
}

function split(body: Rect, wish: LayoutWish): Layout['areas'] | undefined {
  if (body.width >= 160 && body.height >= 40) return wide(body, wish)
  if (body.width >= 110 && body.height >= 30) return medium(body)
  if (body.width >= 80 && body.height >= 20) return compact(body)
  if (body.height >= 34) return stacked(body)
  return undefined
}

/** Left: fleet, profit, opportunities. Right: agents as tall as they need to be, the logs below. */
function wide(body: Rect, wish: LayoutWish): Layout['areas'] {
  const [left, right] = columns(body, Math.floor(body.width * 0.4))
  const [fleet, below] = rows(left, FLEET_ROWS)
  const [chart, opportunities] = rows(below, Math.max(12, Math.floor(below.height * 0.4)))
  const most = Math.floor(right.height / 2)
  const [agents, logs] = rows(right, Math.min(most, Math.max(FLEET_ROWS, wish.agents + 3)))
  return { fleet, chart, opportunities, agents, logs }
}

function medium(body: Rect): Layout['areas'] {
  const [top, bottom] = rows(body, FLEET_ROWS)
  const leftWidth = Math.max(45, Math.floor(body.width * 0.36))
  const [fleet, agents] = columns(top, leftWidth)
  const [chart, lists] = columns(bottom, leftWidth)
  const [opportunities, logs] = rows(lists, Math.floor(lists.height / 2))
  return { fleet, agents, chart, opportunities, logs }
}

function compact(body: Rect): Layout['areas'] {
  const [top, bottom] = rows(body, FLEET_ROWS)
  const leftWidth = body.width >= 96 ? 45 : 38
  const [fleet, agents] = columns(top, leftWidth)
  const [opportunities, logs] = columns(bottom, leftWidth)
  return { fleet, agents, opportunities, logs }
}

function stacked(body: Rect): Layout['areas'] {
  const [fleet, below] = rows(body, FLEET_ROWS)
  const third = Math.floor(below.height / 3)
  const [agents, rest] = rows(below, third)
  const [opportunities, logs] = rows(rest, third)
  return { fleet, agents, opportunities, logs }
}

function columns(area: Rect, width: number): [Rect, Rect] {
  return [
    { ...area, width },
    { ...area, x: area.x + width, width: area.width - width },
  ]
}

function rows(area: Rect, height: number): [Rect, Rect] {
  return [
    { ...area, height },
    { ...area, y: area.y + height, height: area.height - height },
  ]
}

/** First row to show so that the cursor is in view, in the middle where that is possible. */
export function windowStart(count: number, height: number, cursor: number): number {
  return Math.max(0, Math.min(cursor - Math.floor(height / 2), count - height))
}
