import type { FileLockView } from '../../src/protocol/file-lock.ts'
import { ageOf } from '../format.ts'
import type { Rect } from '../layout.ts'
import type { Model } from '../model.ts'
import { plain } from '../text.ts'
import type { Theme } from '../theme.ts'
import { emptyLines, frame, innerHeight, innerWidth } from './frame.ts'
import { type Column, table } from './table.ts'

/** Who holds which file of the shared project, and who waits for it. */
export function locksPane(model: Model, area: Rect, theme: Theme): string[] {
  const locks = model.snapshot?.locks ?? []
  const lines =
    locks.length === 0
      ? emptyLines('no file of the shared project is locked', area, theme)
      : table(
          {
            columns: columnsFor(model, theme),
            rows: locks,
            cursor: Math.min(model.look.overTop, locks.length - 1),
            focused: true,
            width: innerWidth(area),
            height: innerHeight(area),
          },
          theme,
        )
  return frame({ title: 'Locks', note: 'L or Esc closes', focused: true, lines }, area, theme)
}

function columnsFor(model: Model, theme: Theme): Column<FileLockView>[] {
  const dim = () => theme.faint
  return [
    { title: 'file', width: 24, rank: 0, grows: true, text: (lock) => plain(lock.path) },
    { title: 'holder', width: 16, rank: 0, text: (lock) => lock.owner ?? '–' },
    { title: 'token', width: 7, align: 'right', rank: 2, text: (lock) => String(lock.token ?? '–') },
    { title: 'for', width: 4, align: 'right', rank: 1, text: (lock) => ageOf(lock.since, model.now), paint: dim },
    {
      title: 'waiting',
      width: 22,
      rank: 0,
      text: ({ waiting: [first, ...more] }) =>
        first ? `${first.owner}${more.length > 0 ? ` and ${more.length} more` : ''}` : '–',
      paint: (lock) => (lock.waiting.length > 0 ? theme.accent : theme.faint),
    },
  ]
}
