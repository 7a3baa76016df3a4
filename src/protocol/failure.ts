import { z } from 'zod'
import { Timestamp } from './schemas.ts'

/** Why a unit was started again, or is not yet, and how often in a row. Key `failure/ID`, with a time to live. */
export const FailureSchema = z.object({
  id: z.string(),
  /** `exited with 1`, `out of memory: …`, `hangs: …`. */
  cause: z.string(),
  /** What it logged last, oldest first. */
  lines: z.array(z.string()),
  /** Failures in a row; from 1. A minute without one ends the row. */
  count: z.int().min(1),
  at: Timestamp,
  /** Not started again before. */
  until: Timestamp,
  /** When the run that failed began, by the engine; null when it could not be started at all. */
  startedAt: Timestamp.nullable(),
  /** Of the description that failed: another one is tried at once. */
  specHash: z.string(),
  /** It ran, and was replaced because it hung or was unhealthy. */
  ill: z.boolean(),
})
export type Failure = z.infer<typeof FailureSchema>
