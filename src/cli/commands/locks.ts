import type { Command } from '../command.ts'
import { table, timeOf } from '../text.ts'
import { withFleet } from './fleet.ts'

export const locksCommand: Command = {
  name: 'locks',
  describe: 'files of the shared project that are locked, and who waits for them',
  run: (context) =>
    withFleet(context, async (client) => {
      const { locks } = await client.snapshot()
      const rows = locks.map((lock) => [
        lock.path,
        lock.owner ?? '-',
        lock.token ?? '-',
        lock.since === null ? '-' : timeOf(lock.since),
        lock.waiting.map(({ owner }) => owner).join(', ') || '-',
      ])
      context.out.document({ locks }, () =>
        rows.length === 0
          ? 'No file of the shared project is locked.'
          : table(['FILE', 'HOLDER', 'TOKEN', 'SINCE', 'WAITING'], rows),
      )
      return 0
    }),
}
