import { now } from '../protocol/schemas.ts'
import type { CommandContext } from './command.ts'

/**
 * Prints a line for each item as it comes; with --json the last line is the summary.
 * @returns the exit code of what ended it, 0 when it ended by itself
 */
export async function streamLines<T>(
  { out, signal }: CommandContext,
  items: AsyncIterable<T>,
  show: { fits(item: T): boolean; json?(item: T): unknown; text(item: T): string },
): Promise<number> {
  let lines = 0
  for await (const item of items) {
    if (!show.fits(item)) continue
    lines++
    out.line(show.json ? show.json(item) : item, () => show.text(item))
  }
  if (out.json) out.line({ type: 'summary', at: now(), lines }, () => '')
  return typeof signal.reason === 'number' ? signal.reason : 0
}
