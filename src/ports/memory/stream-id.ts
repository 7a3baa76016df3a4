import { FleetError } from '../../protocol/errors.ts'

/** `MILLISECONDS-SEQUENCE` with leading zeros, so that ids sort as strings in the order of appending. */
export const streamId = (ms: number | string, sequence: number | string): string =>
  `${String(ms).padStart(15, '0')}-${String(sequence).padStart(10, '0')}`

/** @throws FleetError `malformed` when the text was never an id of a stream */
export function checkStreamId(id: string): string {
  if (/^\d{15}-\d{10}$/.test(id)) return id
  throw new FleetError('malformed', `${JSON.stringify(id)} is not the id of a stream's entry`, {
    remedy: 'Read from an id that append or read gave, or without one.',
  })
}
