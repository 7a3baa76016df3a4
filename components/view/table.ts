import { windowStart } from '../layout.ts'
import { fit } from '../text.ts'
import type { Paint, Theme } from '../theme.ts'

export interface Column<Row> {
  title: string
  width: number
  align?: 'left' | 'right'
  /** When there is no room the highest rank goes first; 0 stays. */
  rank: number
  /** Takes what is left. */
  grows?: boolean
  text(row: Row): string
  paint?(row: Row): Paint
}

export interface TableParts<Row> {
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  /** Index of the chosen row; -1 for none. */
  cursor: number
  focused: boolean
  width: number
  /** Lines including the header. */
  height: number
}

const GAP = 2
/** Mark of the chosen row, a blank else. */
const MARK = 2

/** Header and the rows in view, a string a row, none wider than `width`. Rows out of view are not even looked at. */
export function table<Row>(parts: TableParts<Row>, theme: Theme): string[] {
  const columns = fitColumns(parts.columns, parts.width - MARK)
  const header = columns.map((column) => fit(column.title, column.width, column.align)).join(' '.repeat(GAP))
  const height = Math.max(0, parts.height - 1)
  const start = windowStart(parts.rows.length, height, parts.cursor)
  const body = parts.rows
    .slice(start, start + height)
    .map((row, index) => tableRow(row, columns, start + index === parts.cursor, parts, theme))
  return [theme.faint(`  ${header}`), ...body]
}

function tableRow<Row>(
  row: Row,
  columns: readonly Column<Row>[],
  chosen: boolean,
  parts: TableParts<Row>,
  theme: Theme,
): string {
  const cells = columns.map((column) => ({ column, text: fit(column.text(row), column.width, column.align) }))
  if (chosen && parts.focused) {
    const line = cells.map(({ text }) => text).join(' '.repeat(GAP))
    return theme.selected(fit(`▸ ${line}`, parts.width))
  }
  const painted = cells.map(({ column, text }) => (column.paint ? column.paint(row)(text) : text))
  return `${chosen ? theme.accent('▸ ') : '  '}${painted.join(' '.repeat(GAP))}`
}

/** The columns that fit into `width`, the growing one as wide as what is left. */
export function fitColumns<Row>(columns: readonly Column<Row>[], width: number): Column<Row>[] {
  let kept = [...columns]
  const needed = () => kept.reduce((sum, column) => sum + column.width, 0) + GAP * (kept.length - 1)
  while (needed() > width && kept.some((column) => column.rank > 0)) {
    const highest = Math.max(...kept.map((column) => column.rank))
    kept = kept.filter((column) => column.rank !== highest)
  }
  const left = width - needed()
  return kept.map((column) => (column.grows ? { ...column, width: Math.max(1, column.width + left) } : column))
}
