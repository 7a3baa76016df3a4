import { describe, expect, test } from 'vitest'
import { duration, fleetOptions, rawAmount, wholeNumber } from '../../../src/cli/options.ts'

const usage = (message: string, remedy = '') =>
  expect.objectContaining({
    code: 'usage',
    exitCode: 2,
    message: expect.stringContaining(message),
    remedy: expect.stringContaining(remedy),
  })

describe('a duration', () => {
  test.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['0s', 0],
  ])('%s is %i milliseconds', (text, ms) => {
    expect(duration('--for', text)).toBe(ms)
  })

  test.each(['30', 's', '-5s', '5 s', '5d', '1e3s', '', '5S', '.5s', '5s5s'])('%j is none', (text) => {
    expect(() => duration('--for', text)).toThrowError(usage('--for', 'ms, s, m or h'))
  })

  test('that a timer cannot count is refused, not cut short', () => {
    expect(() => duration('--for', '1000h')).toThrowError(/too long/)
  })

  test('that is not given is none', () => {
    expect(duration('--for', undefined)).toBeUndefined()
  })
})

describe('an amount', () => {
  test.each([
    ['0', 0n],
    ['10000000000000', 10n ** 13n],
    ['1e13', 10n ** 13n],
    ['25E+20', 25n * 10n ** 20n],
    ['123456789012345678901234567890', 123456789012345678901234567890n],
  ])('%s is exactly %s', (text, amount) => {
    expect(rawAmount('--min-profit', text)).toBe(amount)
  })

  test.each(['1.5', '1.5e18', '-1', '1e-3', 'abc', '0x10', '1_000', '', '1e100'])('%j is none', (text) => {
    expect(() => rawAmount('--min-profit', text)).toThrowError(usage('--min-profit', '1e13'))
  })
})

describe('a whole number', () => {
  test('is taken from the least to the most', () => {
    expect(wholeNumber('--last', '1', 1, 10)).toBe(1)
    expect(wholeNumber('--last', '10', 1, 10)).toBe(10)
    expect(wholeNumber('--last', undefined, 1, 10)).toBeUndefined()
  })

  test.each(['0', '11', '1.5', '-1', 'ten', 'NaN', 'Infinity'])('%j is out of 1 to 10', (text) => {
    expect(() => wholeNumber('--last', text, 1, 10)).toThrowError(usage(`--last ${text} is not a whole number`))
  })
})

const ADDRESS = `0x${'ab'.repeat(20)}`
const live = { live: true, chain: 'https://n', 'chain-id': '1' }

describe('the global options', () => {
  test('not given are as the contract says', () => {
    expect(fleetOptions({})).toEqual({
      engine: 'auto',
      fleet: 'arbdeck',
      profile: undefined,
      chain: undefined,
      chainId: undefined,
      live: false,
      hubPort: undefined,
      keyFile: undefined,
      executorAddress: undefined,
      submitUrl: undefined,
      chainsDir: undefined,
      manifest: undefined,
      seed: undefined,
      debug: false,
      json: false,
    })
  })

  test.each(['a', 'my-fleet-2', '0', 'x'.repeat(31)])('a fleet may be named %s', (fleet) => {
    expect(fleetOptions({ fleet }).fleet).toBe(fleet)
  })

  test.each(['-a', 'A', 'a_b', 'a b', '../x', 'a/b', 'x'.repeat(32), 'ä'])('a fleet may not be named %j', (fleet) => {
    expect(() => fleetOptions({ fleet })).toThrowError(usage(`"${fleet}" cannot be the name`, 'lower-case'))
  })

  test.each(['sandbox', 'http://n:8545', 'https://n', 'ws://n', 'wss://n', 'ipc:/run/node.ipc', '@/run/secret'])(
    'a chain may be %s',
    (chain) => {
      expect(fleetOptions({ chain }).chain).toBe(chain)
    },
  )

  test.each(['ftp://n', 'file:///x', 'mainnet', 'HTTP'])('a chain may not be %s', (chain) => {
    expect(() => fleetOptions({ chain })).toThrowError(usage('--chain', 'sandbox'))
  })

  test('a chain that is refused is not repeated: it may hold a secret', () => {
    const refusal = (chain: string): string => {
      try {
        fleetOptions({ chain })
      } catch (thrown) {
        return String(thrown)
      }
      return expect.fail('it was taken')
    }
    expect(refusal('ftp://user:hunter2@n/key')).not.toContain('hunter2')
    expect(refusal('hunter2')).not.toContain('hunter2')
  })

  test.each([
    ['--live', { live: true }],
    ['--live', { live: true, chain: 'sandbox', 'chain-id': '1' }],
    ['--live needs --chain-id', { live: true, chain: 'https://n' }],
    ['--live needs --key-file', { ...live, 'executor-address': ADDRESS }],
    ['--live needs --executor-address', { ...live, 'key-file': 'keys' }],
    ['--key-file', { 'key-file': 'keys' }],
    ['--executor-address', { 'executor-address': ADDRESS }],
    ['--executor-address', { ...live, 'key-file': 'keys', 'executor-address': '0x1' }],
    ['--chain-id', { 'chain-id': 'one' }],
    ['--hub-port', { 'hub-port': '65536' }],
    ['--hub-port', { 'hub-port': '0' }],
  ])('what cannot be meant is refused, naming %s: %j', (name, options) => {
    expect(() => fleetOptions(options)).toThrowError(usage(name))
  })

  test('to go live, chain id, keys and contract must be said; an address is taken in any case', () => {
    const taken = fleetOptions({ ...live, 'key-file': 'keys', 'executor-address': ADDRESS.replaceAll('a', 'A') })
    expect(taken).toMatchObject({ live: true, chainId: 1, keyFile: 'keys', executorAddress: ADDRESS })
  })

  test('what is not built yet says so: swarm', () => {
    expect(() => fleetOptions({ engine: 'swarm' })).toThrowError(
      expect.objectContaining({ code: 'unsupported', remedy: expect.stringContaining('--engine docker') }),
    )
  })
})
