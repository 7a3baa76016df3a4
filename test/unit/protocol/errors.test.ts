import { expect, test } from 'vitest'
import { asFleetError, type ErrorCode, EXIT_CODES, FleetError, unreachable } from '../../../src/protocol/errors.ts'

const CONTRACT: Record<number, readonly ErrorCode[]> = {
  2: ['usage', 'config_invalid', 'fleet_conflict', 'chain_mismatch', 'terminal_missing', 'unsupported'],
  3: ['fleet_not_running', 'engine_unreachable', 'chain_unreachable', 'memory_unreachable', 'hub_unreachable'],
  4: ['timeout'],
  1: ['internal', 'not_found', 'state_stale', 'engine_refused', 'disk_full'],
}

test('exit codes are those of the contract: 2 usage, 3 cannot be reached, 4 timed out, else 1', () => {
  for (const [exit, codes] of Object.entries(CONTRACT))
    for (const code of codes) expect(new FleetError(code, 'x', { remedy: 'y' }).exitCode, code).toBe(Number(exit))
  for (const exit of Object.values(EXIT_CODES)) expect([1, 2, 3, 4]).toContain(exit)
})

test('an error is a document and back: code, message, remedy and, in words, its cause', () => {
  const error = new FleetError('port_taken', 'port 3000 is taken', {
    remedy: 'Pass --hub-port.',
    cause: new Error('EADDRINUSE'),
  })
  const document = JSON.parse(JSON.stringify(error))
  expect(document).toEqual({
    error: { code: 'port_taken', message: 'port 3000 is taken', remedy: 'Pass --hub-port.', cause: 'EADDRINUSE' },
  })
  const back = FleetError.from(document)
  expect(back).toBeInstanceOf(FleetError)
  expect(back).toMatchObject({ code: 'port_taken', remedy: 'Pass --hub-port.', cause: 'EADDRINUSE', exitCode: 1 })
})

test('without a cause there is none in the document', () => {
  expect(new FleetError('usage', 'x', { remedy: 'y' }).toJSON().error).not.toHaveProperty('cause')
})

test('a document with a code of another version is an internal error with the same words', () => {
  const error = FleetError.from({ error: { code: 'melted' as ErrorCode, message: 'it melted', remedy: 'Cool it.' } })
  expect(error).toMatchObject({ code: 'internal', message: 'it melted', remedy: 'Cool it.' })
})

test('an error is transient only when it says so', () => {
  expect(new FleetError('engine_unreachable', 'x', { remedy: 'y' }).transient).toBe(false)
  expect(new FleetError('engine_unreachable', 'x', { remedy: 'y', transient: true }).transient).toBe(true)
})

test('whatever is thrown becomes one, and one stays itself', () => {
  const error = new FleetError('usage', 'x', { remedy: 'y' })
  expect(asFleetError(error)).toBe(error)
  const cause = new TypeError('oops')
  expect(asFleetError(cause)).toMatchObject({ code: 'internal', message: 'oops', cause })
  expect(asFleetError('words')).toMatchObject({ code: 'internal', message: 'words' })
  expect(asFleetError(new Error('')).message).not.toBe('')
})

test('a kind that nobody handles is an internal error that names it', () => {
  expect(() => unreachable({ kind: 'new' } as never)).toThrowError(
    expect.objectContaining({ code: 'internal', message: expect.stringContaining('"new"') }),
  )
})
