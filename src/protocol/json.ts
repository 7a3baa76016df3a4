import { z } from 'zod'
import { FleetError } from './errors.ts'

/** JSON text with every bigint as a decimal string. */
export function stringify(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, v: unknown) => (typeof v === 'bigint' ? v.toString() : v), indent)
}

/** The value as JSON would carry it (bigints as decimal strings), as a fresh copy. */
export function toJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(stringify(value))
}

/**
 * Checks a JSON value (bigints as decimal strings) against a schema and gives the typed value (bigints as bigint).
 * @throws FleetError `malformed` naming `what` and every fault
 */
export function decode<S extends z.ZodType>(schema: S, json: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new FleetError('malformed', `${what} is malformed: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`, {
    remedy: 'It was written by another version of arbdeck, or by hand: take the fleet down and up again.',
  })
}

/** `decode` of JSON text. */
export function parse<S extends z.ZodType>(schema: S, text: string, what: string): z.output<S> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new FleetError('malformed', `${what} is not JSON`, { remedy: 'Take the fleet down and up again.', cause })
  }
  return decode(schema, json, what)
}
