import type { History } from '../ports/history/history.ts'

/** A history that is still being opened: every call waits for it. A failure to open is the failure of each call. */
export function laterHistory(opening: Promise<History>): History {
  opening.catch(() => undefined)
  return {
    append: async (records) => (await opening).append(records),
    read: async (query) => (await opening).read(query),
    close: async () => {
      const history = await opening.catch(() => undefined)
      await history?.close()
    },
  }
}
