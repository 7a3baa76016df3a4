import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { FleetError } from '../../protocol/errors.ts'

/** Keys that outlive the process, in a JSON file. A value's time to live is not kept: it stays. */
export interface Persist {
  file: string
  keys: readonly string[]
}

const KeptSchema = z.array(z.object({ key: z.string(), version: z.int(), text: z.string() }))
export type Kept = z.infer<typeof KeptSchema>

/** @returns nothing when the file does not exist. @throws FleetError `state_stale` */
export function loadKept(file: string): Kept {
  try {
    const kept = KeptSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    for (const { text } of kept) JSON.parse(text)
    return kept
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new FleetError('state_stale', `The saved state of the fleet in ${file} cannot be read`, {
      remedy: `Run \`arbdeck down --volumes\`, or remove ${file}.`,
      cause,
    })
  }
}

/**
 * Replaces the file in one piece, mode 0600; what was there before stays whole when that fails.
 * @throws FleetError `disk_full`, `memory_unreachable`
 */
export function saveKept(file: string, kept: Kept): void {
  const fresh = `${file}.new`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const descriptor = openSync(fresh, 'w', 0o600)
    try {
      writeSync(descriptor, JSON.stringify(kept))
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(fresh, file)
  } catch (cause) {
    const isFull = ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')
    throw new FleetError(isFull ? 'disk_full' : 'memory_unreachable', `Cannot write ${file}: ${String(cause)}`, {
      remedy: isFull ? 'Free some space on that disk.' : 'Make the folder writable for this user.',
      cause,
    })
  }
}
