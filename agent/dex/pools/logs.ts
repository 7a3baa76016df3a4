import type { Hex } from '../../../src/protocol/units.ts'
import type { RpcLog } from '../chain-types.ts'
import type { Tracked } from './kind.ts'
import { contractOf, poolKind, poolKinds } from './table.ts'

export type { Tracked } from './kind.ts'

/** First topics of all logs that change a pool's state, of any kind. */
export const STATE_TOPICS: readonly Hex[] = poolKinds.flatMap((kind) => kind.topics)

/**
 * The pool after a log. Logs that change nothing of it give the same object: Collect for one, or what a contract wrote
 * that is not the pool's.
 */
export function applyLog(tracked: Tracked, log: RpcLog): Tracked {
  const { pool } = tracked
  return log.address === contractOf(pool) ? poolKind(pool.kind).applyLog(tracked, log) : tracked
}
