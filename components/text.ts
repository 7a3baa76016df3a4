/**
 * Text whose width is its length. Everything the screen prints goes through `plain` once, and holds only characters that
 * take one column; colour codes (SGR) are added last and count for nothing.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes begin with a control character
const ESCAPES = /\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|.)?/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const SGR = /\u001B\[[\d;]*m/g
/** Latin, Greek, Cyrillic, dashes, arrows, boxes, blocks, braille: one column wherever seen. */
const NOT_ONE_COLUMN =
  /[^ -~\u00a1-\u00ac\u00ae-\u024f\u0391-\u03c9\u0410-\u044f\u2010-\u2027\u2030-\u205e\u2190-\u2193\u2500-\u25cf\u25d0\u2800-\u28ff]/gu

/** One line without codes, tabs and breaks; a character of another width, or of none, becomes `?`. */
export function plain(text: string): string {
  if (/^[ -~]*$/.test(text)) return text
  return text.replace(ESCAPES, '').replace(/\s+/g, ' ').replace(NOT_ONE_COLUMN, '?')
}

export const stripColour = (text: string): string => text.replace(SGR, '')

/** Columns that a line of ours takes. */
export const widthOf = (line: string): number => stripColour(line).length

/** Cut to `width` with an ellipsis as the last character; `text` is plain. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text
  return width <= 0 ? '' : `${text.slice(0, width - 1)}…`
}

/** Exactly `width` columns of plain text. */
export const fit = (text: string, width: number, align: 'left' | 'right' = 'left'): string =>
  align === 'right' ? cut(text, width).padStart(width) : cut(text, width).padEnd(width)

/** Fills a coloured line with blanks up to `width`; it must not be longer. */
export const padTo = (line: string, width: number): string => line + ' '.repeat(Math.max(0, width - widthOf(line)))
