import { FleetError } from '../../protocol/errors.ts'

/** Answers of a server that starts, stops or has no connection free. 08: connection; 57P: shutdown, crash, starting. */
const PASSING = /^(08...|57P0[123]|57014|53300|40001|40P01|25006)$/
const REFUSED = /^(28...|3D000|42501)$/
const FULL = /^(53100|53200)$/

/** What a driver threw, in our words. `who` names the database: `Postgres at host:5432`. */
export function sqlFailure(cause: unknown, who: string): FleetError {
  const error = cause as { code?: unknown; message?: string }
  const code = typeof error.code === 'string' ? error.code : ''
  const why = error.message || code || 'no answer'
  if (REFUSED.test(code)) {
    return new FleetError('history_unreachable', `${who} refuses us: ${why}`, {
      remedy: 'The password in the secrets folder is not that of this server: take the fleet down and up again.',
      cause,
    })
  }
  if (FULL.test(code)) {
    return new FleetError('disk_full', `${who} cannot write: ${why}`, {
      remedy: 'Free some space on the disk that holds the database.',
      transient: true,
      cause,
    })
  }
  if (/^[0-9A-Z]{5}$/.test(code) && !PASSING.test(code)) {
    return new FleetError('internal', `${who} refused a statement: ${why}`, {
      remedy: 'This is a fault of arbdeck: run it again with --debug and report the trace.',
      cause,
    })
  }
  return new FleetError('history_unreachable', `${who} did not answer: ${why}`, {
    remedy: 'It is tried again; see `arbdeck status` and `arbdeck logs postgres` whether Postgres runs.',
    transient: true,
    cause,
  })
}
