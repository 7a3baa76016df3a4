import type { FleetError } from '../protocol/errors.ts'
import { stringify } from '../protocol/json.ts'

/** Where a command prints: JSON alone on stdout with `--json`, text otherwise; errors and remarks on stderr. */
export class Output {
  readonly json: boolean
  readonly #debug: boolean

  constructor(json: boolean, debug: boolean) {
    this.json = json
    this.#debug = debug
    // A reader that went away (| head -1) ends the command quietly.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0)
    })
    process.stderr.on('error', () => {})
  }

  /** One document, or its text. */
  document(value: unknown, text: () => string): void {
    process.stdout.write(this.json ? `${stringify(value)}\n` : `${text()}\n`)
  }

  /** One line of a stream. */
  line(value: unknown, text: () => string): void {
    this.document(value, text)
  }

  /** Text as it is, for another program. */
  text(text: string): void {
    process.stdout.write(text)
  }

  /** A remark to a person; nothing with `--json`. */
  remark(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`)
  }

  error(error: FleetError): void {
    if (this.json) {
      process.stderr.write(`${stringify(error.toJSON())}\n`)
      if (this.#debug && error.stack) process.stderr.write(`${stringify({ trace: traceOf(error) })}\n`)
      return
    }
    process.stderr.write(`arbdeck: ${error.message}\n  ${error.remedy}\n`)
    if (this.#debug) process.stderr.write(`${traceOf(error)}\n`)
  }
}

function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined
    ? (error.stack ?? error.message)
    : `${error.stack}\ncaused by ${traceOf(error.cause)}`
}

/** Resolves when stdout has taken all that was written. */
export function flushed(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => resolve()))
}
