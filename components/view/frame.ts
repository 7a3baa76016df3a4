import type { Rect } from '../layout.ts'
import { cut, padTo } from '../text.ts'
import type { Theme } from '../theme.ts'

export interface FrameParts {
  title: string
  /** On the right of the top line: counts, a state. Left out when there is no room. */
  note?: string
  focused: boolean
  /** Coloured lines, none wider than `innerWidth`; missing ones are blank, surplus ones are left out. */
  lines: readonly string[]
}

/** Columns inside the frame: the border and one blank on each side are not for content. */
export const innerWidth = (area: Rect): number => area.width - 4
export const innerHeight = (area: Rect): number => area.height - 2

/** A pane with its border: exactly `height` lines of exactly `width` columns. */
export function frame(parts: FrameParts, area: Rect, theme: Theme): string[] {
  const border = parts.focused ? theme.accent : theme.faint
  const width = innerWidth(area)
  const body = Array.from(
    { length: innerHeight(area) },
    (_, row) => `${border('│')} ${padTo(parts.lines[row] ?? '', width)} ${border('│')}`,
  )
  return [topLine(parts, area.width, theme), ...body, border(`╰${'─'.repeat(area.width - 2)}╯`)]
}

function topLine(parts: FrameParts, width: number, theme: Theme): string {
  const border = parts.focused ? theme.accent : theme.faint
  const title = cut(`${parts.focused ? '▸ ' : ''}${parts.title}`, width - 6)
  const free = width - title.length - 6
  const note = parts.note && parts.note.length + 2 <= free ? ` ${parts.note} ` : ''
  const paint = parts.focused ? (text: string) => theme.accent(theme.strong(text)) : theme.strong
  const line = '─'.repeat(width - title.length - 6 - note.length)
  return `${border('╭─')} ${paint(title)} ${border(line)}${note}${border('─╮')}`
}

/** A line in the middle of an empty pane, instead of nothing. */
export function emptyLines(text: string, area: Rect, theme: Theme): string[] {
  const above = Math.max(0, Math.floor((innerHeight(area) - 1) / 2))
  const said = cut(text, innerWidth(area))
  const left = Math.floor((innerWidth(area) - said.length) / 2)
  return [...Array<string>(above).fill(''), ' '.repeat(left) + theme.faint(said)]
}
