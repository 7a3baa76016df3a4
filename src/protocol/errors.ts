/**
 * Every way arbdeck can fail, and the exit code each one ends a command with:
 * 1 it failed, 2 usage or configuration, 3 something needed cannot be reached, 4 timed out.
 */
export const EXIT_CODES = {
  usage: 2,
  config_invalid: 2,
  fleet_conflict: 2,
  chain_mismatch: 2,
  terminal_missing: 2,
  port_taken: 1,
  fleet_not_running: 3,
  fleet_busy: 1,
  engine_unreachable: 3,
  engine_too_old: 3,
  engine_refused: 1,
  image_unavailable: 1,
  chain_unreachable: 3,
  chain_refused: 1,
  memory_unreachable: 3,
  bus_unreachable: 3,
  history_unreachable: 3,
  hub_unreachable: 3,
  agent_unreachable: 3,
  tool_unknown: 2,
  tool_failed: 1,
  not_found: 1,
  conflict: 1,
  malformed: 1,
  state_stale: 1,
  files_stale: 1,
  unsupported: 2,
  pool_empty: 1,
  disk_full: 1,
  timeout: 4,
  internal: 1,
} as const

export type ErrorCode = keyof typeof EXIT_CODES

export interface FleetErrorOptions {
  /** What the reader can do about it, as a sentence. */
  remedy: string
  /** True when the same call may succeed later without anybody's help. */
  transient?: boolean
  cause?: unknown
}

/** The one error class: what happened and why (`message`), what to do (`remedy`), what kind it is (`code`). */
export class FleetError extends Error {
  readonly code: ErrorCode
  readonly remedy: string
  readonly transient: boolean

  constructor(code: ErrorCode, message: string, options: FleetErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'FleetError'
    this.code = code
    this.remedy = options.remedy
    this.transient = options.transient ?? false
  }

  get exitCode(): number {
    return EXIT_CODES[this.code]
  }

  /** The shape printed on stderr with `--json` and sent over the control socket. */
  toJSON(): ErrorDocument {
    const cause = this.cause instanceof Error ? this.cause.message : this.cause
    return {
      error: {
        code: this.code,
        message: this.message,
        remedy: this.remedy,
        ...(cause === undefined ? {} : { cause: String(cause) }),
        ...(this.transient ? { transient: true } : {}),
      },
    }
  }

  static from(document: ErrorDocument): FleetError {
    const { code, message, remedy, cause, transient = false } = document.error
    return new FleetError(code in EXIT_CODES ? code : 'internal', message, { remedy, cause, transient })
  }
}

export interface ErrorDocument {
  error: { code: ErrorCode; message: string; remedy: string; cause?: string; transient?: boolean }
}

/** Anything thrown, as a FleetError: what is not one already is a fault of ours. */
export function asFleetError(thrown: unknown): FleetError {
  if (thrown instanceof FleetError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new FleetError('internal', message || 'it failed without a message', {
    remedy: 'This is a fault of arbdeck: run it again with --debug and report the trace.',
    cause: thrown,
  })
}

/** For the default of an exhaustive switch: a new kind fails to compile until it is handled. */
export function unreachable(value: never): never {
  throw new FleetError('internal', `unhandled kind: ${JSON.stringify(value)}`, {
    remedy: 'Report it: a case is missing.',
  })
}
