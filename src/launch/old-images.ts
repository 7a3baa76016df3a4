import type { ImageStore } from '../ports/engine/provision.ts'
import { asFleetError } from '../protocol/errors.ts'

const WEEK_MS = 7 * 24 * 3_600_000
/** What arbdeck builds. */
const KINDS = ['agent', 'sandbox']

/**
 * Removes images that arbdeck built more than a week ago and no container uses: another checkout's fleet builds its own
 * again. What cannot be removed stays, and is no reason not to go on.
 *
 * @param current references of this build's images
 */
export async function removeOldImages(
  store: Pick<ImageStore, 'pruneImages'>,
  current: readonly string[],
  onLine: (line: string) => void,
): Promise<void> {
  try {
    const removed = await store.pruneImages({ kinds: KINDS, olderThanMs: WEEK_MS, keep: current })
    for (const tag of removed) onLine(`removed ${tag}: more than a week old, and no container uses it`)
  } catch (thrown) {
    onLine(`old images stay: ${asFleetError(thrown).message}`)
  }
}
