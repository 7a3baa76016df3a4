import { widthOf } from '../text.ts'

/** One thing that Ink asks its output to do, as Ink 6.8 records it. */
type Operation =
  | { type: 'write'; x: number; y: number; text: string; transformers: ((line: string, index: number) => string)[] }
  | { type: 'clip'; clip: unknown }
  | { type: 'unclip' }

export interface StockOutput {
  readonly width: number
  readonly height: number
  readonly operations: readonly Operation[]
  get(): { output: string; height: number }
}
export type StockOutputClass = new (size: { width: number; height: number }) => StockOutput

interface Segment {
  x: number
  width: number
  text: string
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
const CODE = /\u001B\[([\d;]*)m/g
/** What each closing code closes. */
const CLOSES: Record<string, string> = { 39: 'fg', 49: 'bg', 22: 'weight', 23: '3', 24: '4', 27: '7', 28: '8', 29: '9' }

/**
 * Ink's output, which builds an object for every cell of every frame, with a short way for frames like ours: nothing
 * clipped, nothing over anything else. Their rows are the texts one after another with blanks between, about fifteen times
 * cheaper. Every other frame goes Ink's way, so the picture is the same in all cases.
 */
export function compositor(Stock: StockOutputClass): StockOutputClass {
  return class Compositor extends Stock {
    override get(): { output: string; height: number } {
      const rows = segmentsOf(this.operations, this.height)
      const lines = rows?.map((segments) => joined(segments, this.width))
      if (!lines || lines.includes(null)) return super.get()
      return { output: lines.join('\n'), height: this.height }
    }
  }
}

/** What is written to each row; null when something is clipped. */
function segmentsOf(operations: readonly Operation[], height: number): Segment[][] | null {
  const rows = Array.from({ length: height }, (): Segment[] => [])
  for (const operation of operations) {
    if (operation.type !== 'write') return null
    for (const [index, line] of operation.text.split('\n').entries()) {
      const text = operation.transformers.reduce((changed, transform) => transform(changed, index), line)
      const width = widthOf(text)
      if (width > 0) rows[operation.y + index]?.push({ x: operation.x, width, text })
    }
  }
  return rows
}

/** One row; null when segments overlap, leave the width, or a style is still open at the end of one. */
function joined(segments: Segment[], width: number): string | null {
  let row = ''
  let column = 0
  for (const { x, width: taken, text } of segments.sort((a, b) => a.x - b.x)) {
    if (x < column || x + taken > width || leavesOpen(text)) return null
    row += ' '.repeat(x - column) + text
    column = x + taken
  }
  return row.trimEnd()
}

/** Whether a style is open at the end of the text: then what follows on the row would be painted too. */
function leavesOpen(text: string): boolean {
  const open = new Set<string>()
  for (const [, codes = ''] of text.matchAll(CODE)) {
    // A palette colour (38;5;N) says the rest of its code itself.
    const parts = /^[34]8;/.test(codes) ? [codes.slice(0, 2)] : codes.split(';')
    for (const part of parts) {
      const closed = CLOSES[part]
      if (part === '' || part === '0') open.clear()
      else if (closed) open.delete(closed)
      else open.add(familyOf(part))
    }
  }
  return open.size > 0
}

function familyOf(opening: string): string {
  if (/^(3|9)\d$/.test(opening)) return 'fg'
  if (/^(4|10)\d$/.test(opening)) return 'bg'
  return opening === '1' || opening === '2' ? 'weight' : opening
}
