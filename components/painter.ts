import type { Size } from './layout.ts'
import { widthOf } from './text.ts'

const SYNC_BEGINS = '\u001B[?2026h'
const SYNC_ENDS = '\u001B[?2026l'
const CLEAR = '\u001B[0m\u001B[2J'
const ERASE_LINE_RIGHT = '\u001B[K'

export interface Painter {
  /** Shows a frame: what changed since the last one is written, as one piece. */
  paint(frame: string): void
  /** What is on the terminal is not known any more: the next frame is written whole. */
  forget(): void
  /** The terminal has taken what was written: shows the latest frame if it was held back. */
  drained(): void
}

/**
 * Writes frames line by line. While the terminal has not taken the last write, frames are left out and only the latest is
 * kept, so a slow terminal costs pictures, not time.
 *
 * @param busy true while earlier output still waits to be taken
 */
export function createPainter(write: (text: string) => void, size: () => Size, busy: () => boolean): Painter {
  let shown: string[] | null = null
  let latest: string | null = null

  const flush = () => {
    if (latest === null || busy()) return
    const { columns, rows } = size()
    const lines = latest.split('\n').slice(0, rows)
    latest = null
    const changes = difference(shown, lines, columns)
    shown = lines
    if (changes !== '') write(SYNC_BEGINS + changes + SYNC_ENDS)
  }

  return {
    paint(frame) {
      latest = frame
      flush()
    },
    forget() {
      latest ??= shown?.join('\n') ?? null
      shown = null
    },
    drained: flush,
  }
}

function difference(shown: string[] | null, lines: readonly string[], columns: number): string {
  let out = shown === null ? CLEAR : ''
  const count = Math.max(lines.length, shown?.length ?? 0)
  for (let row = 0; row < count; row += 1) {
    const line = lines[row] ?? ''
    if (line === (shown?.[row] ?? '')) continue
    // Erasing after a full line would take its last character.
    const erase = widthOf(line) < columns ? ERASE_LINE_RIGHT : ''
    out += `\u001B[${row + 1};1H${line}${erase}`
  }
  return out
}
