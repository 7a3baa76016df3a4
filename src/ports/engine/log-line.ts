import { stripVTControlCharacters } from 'node:util'
import { type LogLevel, type LogLine, LogLineSchema } from '../../protocol/records.ts'

const OwnLine = LogLineSchema.omit({ source: true })

/** All control characters but the tab. */
const CONTROL = /[^\P{Cc}\t]/gu

/**
 * One line that a unit wrote. Our own processes write JSON (`{"at","level","message"}`); what others write is taken as
 * it is, at the time and level given.
 */
export function logLine(source: string, at: string, text: string, level: LogLevel): LogLine {
  const trimmed = text.replace(/\r?\n$/, '')
  const own = trimmed.startsWith('{') ? ownLine(trimmed) : undefined
  const line = own ?? { at, level, message: trimmed }
  return { at: line.at, source, level: line.level, message: printable(line.message) }
}

function ownLine(text: string): Omit<LogLine, 'source'> | undefined {
  try {
    return OwnLine.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // JSON-like, and not ours
  }
}

/** One line, without colours, escapes and control characters: it must not move anybody's cursor. */
export const printable = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/\r?\n\s*/g, ' ')
    .replace(CONTROL, '')
