import type { LogLine } from '../../src/protocol/records.ts'
import { formatClock } from '../format.ts'
import type { Rect } from '../layout.ts'
import type { Model } from '../model.ts'
import { cut, fit, plain } from '../text.ts'
import type { Theme } from '../theme.ts'
import { emptyLines, frame, innerHeight, innerWidth } from './frame.ts'

/** Logs of one agent or of the whole fleet; follows, or stands still at a line. */
export function logsPane(model: Model, area: Rect, theme: Theme): string[] {
  const { logs, look } = model
  const focused = look.focus === 'logs'
  const title = logs.scope.kind === 'agent' ? `Logs · ${logs.scope.id}` : 'Logs · whole fleet'
  const lines =
    logs.lines.length === 0
      ? emptyLines(logs.failure ? plain(logs.failure) : 'no line yet', area, theme)
      : linesInView(model, innerHeight(area)).map((line) => logLine(line, model, innerWidth(area), theme))
  return frame({ title, note: noteOf(model), focused, lines }, area, theme)
}

/** The last `height` lines up to the one the view is held at. */
function linesInView(model: Model, height: number): readonly LogLine[] {
  const { first, lines } = model.logs
  const end = model.look.logEnd === null ? lines.length : model.look.logEnd - first + 1
  const from = Math.max(0, Math.min(end, lines.length) - height)
  return lines.slice(from, from + height)
}

function noteOf(model: Model): string {
  const { logs, look } = model
  if (logs.failure !== null && logs.lines.length > 0) return cut(`interrupted: ${plain(logs.failure)}`, 40)
  if (look.logEnd === null) return 'following'
  const newer = logs.first + logs.lines.length - 1 - look.logEnd
  return `held, ${newer} newer`
}

const SOURCE_WIDTH = 15

function logLine(line: LogLine, model: Model, width: number, theme: Theme): string {
  const clock = formatClock(line.at)
  const source = model.logs.scope.kind === 'fleet' && width >= 60 ? `${fit(line.source, SOURCE_WIDTH)} ` : ''
  const message = cut(messageOf(line, model, width), width - clock.length - 1 - source.length)
  const paint = { debug: theme.faint, info: (text: string) => text, warn: theme.warn, error: theme.bad }[line.level]
  return `${theme.faint(clock)} ${theme.accent(source)}${paint(message)}`
}

/** A level that matters is said as a word too; a narrow pane has no column for the source. */
function messageOf(line: LogLine, model: Model, width: number): string {
  const level = line.level === 'warn' || line.level === 'error' ? `${line.level}: ` : ''
  const source = model.logs.scope.kind === 'fleet' && width < 60 ? `${line.source}: ` : ''
  return source + level + plain(line.message)
}
