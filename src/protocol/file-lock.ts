import { z } from 'zod'
import { Timestamp } from './schemas.ts'

/** A path inside the shared project: relative, `/` between its parts, no part `.` or `..`, none that begins with `.arbdeck`. */
export const ProjectPathSchema = z
  .string()
  .min(1)
  .max(400)
  .refine(
    (path) =>
      !path.includes('\0') &&
      !path.includes('\\') &&
      path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.startsWith('.arbdeck')),
    'want a relative path such as reports/trades.md',
  )

const Waiter = z.object({
  /** One agent may wait for several callers. */
  id: z.string(),
  owner: z.string(),
  since: Timestamp,
  /** It has gone when it does not say so again until then. */
  until: Timestamp,
})

/** Who may write a file of the shared project. Key `file-lock/PATH`; free for an hour, it is forgotten. */
export const FileLockSchema = z.object({
  path: ProjectPathSchema,
  holder: z
    .object({
      /** An agent's id. */
      owner: z.string(),
      /** Larger than that of every earlier lock of the fleet: a write with another one is refused. */
      token: z.int().min(1),
      since: Timestamp,
      /** Ends then unless the holder renews it. */
      until: Timestamp,
    })
    .nullable(),
  /** First come, first served. */
  waiting: z.array(Waiter),
  /** Of the last holder; 0 before the first. */
  lastToken: z.int().min(0),
})
export type FileLock = z.output<typeof FileLockSchema>

/** A lock as `arbdeck locks` and the screen show it. */
export const FileLockViewSchema = z.object({
  path: z.string(),
  owner: z.string().nullable(),
  token: z.int().nullable(),
  since: Timestamp.nullable(),
  until: Timestamp.nullable(),
  waiting: z.array(z.object({ owner: z.string(), since: Timestamp })),
})
export type FileLockView = z.output<typeof FileLockViewSchema>
