import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseSpec, readSpec, specHash } from '../../../src/fleet/spec.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { ROLE_NAMES } from '../../fixtures/roles.ts'

const committed = new URL('../../../config/fleet.yaml', import.meta.url).pathname
const good = readFileSync(committed, 'utf8')
const lineOf = (text: string, part: string) => text.split('\n').findIndex((line) => line.includes(part)) + 1

function faultsOf(text: string): string[] {
  try {
    parseSpec(text, 'fleet.yaml', ROLE_NAMES)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FleetError)
    expect(thrown).toMatchObject({ code: 'config_invalid', remedy: expect.stringContaining('config/fleet.yaml') })
    return (thrown as FleetError).message.split('\n').slice(1)
  }
  return []
}

describe('the committed manifest', () => {
  const spec = readSpec(committed, ROLE_NAMES)

  test('has the counts and first ports of the contract: 10, 21 and 111 agents', () => {
    const sum = (profile: 'mini' | 'standard' | 'full') =>
      ROLE_NAMES.reduce((total, role) => total + (spec.roles[role]?.counts[profile] ?? 0), 0)
    expect([sum('mini'), sum('standard'), sum('full')]).toEqual([10, 21, 111])
    expect(Object.fromEntries(ROLE_NAMES.map((role) => [role, spec.roles[role]?.firstPort]))).toEqual({
      code_indexer: 3101,
      builder: 3121,
      test_writer: 3141,
      executor: 3161,
      coordinator: 3181,
      planner: 3201,
      fixer: 3211,
      ui_coder: 3231,
      reviewer: 3251,
      admin: 3301,
    })
  })

  test('has a hash that layout does not change, and meaning does', () => {
    expect(specHash(spec)).toMatch(/^[0-9a-f]{12}$/)
    expect(specHash(parseSpec(`# a remark\n${good}`, 'x', ROLE_NAMES))).toBe(specHash(spec))
    expect(specHash(parseSpec(good.replace('planBlocks: 8', 'planBlocks: 9'), 'x', ROLE_NAMES))).not.toBe(
      specHash(spec),
    )
  })
})

test('a manifest from before there were risks and limits of other tokens still holds', () => {
  const old = good
    .replace(/ {2}# The same of other[\s\S]*?(?= {2}maxGasPerTrade)/, '')
    .replace(/# What may be traded[\s\S]*?(?=# The agents)/, '')
  expect(old).not.toMatch(/risk:|tokens:/)
  const spec = parseSpec(old, 'x', ROLE_NAMES)
  expect([spec.limits.tokens, spec.risk.maxScore]).toEqual([{}, 80])
})

describe('faults', () => {
  test('are all told at once, in the order of their lines', () => {
    const bad = good
      .replace('planBlocks: 8', 'planBlocks: soon\ncolour: red')
      .replace('  planner:', '  plannr:')
      .replace('firstPort: 3161', 'firstPort: 3150')
    const faults = faultsOf(bad)
    const lines = faults.map((fault) => Number(/^fleet\.yaml:(\d+): /.exec(fault)?.[1]))
    expect(lines).toEqual([...lines].sort((a, b) => a - b))
    const told = (part: string, text: RegExp) => {
      const line = `fleet.yaml:${lineOf(bad, part)}: `
      expect(
        faults.filter((fault) => fault.startsWith(line) && text.test(fault)),
        part,
      ).toHaveLength(1)
    }
    told('planBlocks', /planBlocks: .*expected.*number/i)
    told('colour', /unknown key "colour" in the manifest; remove it/)
    told('plannr', /roles\.plannr is none of our own roles; did you mean planner\? If not, give it an image/)
    told(
      'firstPort: 3150',
      /the ports of executor \(3150-\d+\) overlap those of test_writer \(3141-\d+\); move firstPort above \d+ or lower max/,
    )
    told('roles:', /roles\.planner is missing; every trade passes it/)
  })

  test.each([
    ['an empty file', '', /the manifest/],
    ['a list', '- 1\n', /expected.*object/i],
    ['no YAML', 'version: [1\n', /fleet\.yaml:\d+: not YAML/],
    ['a key given twice', `${good}\nversion: 1\n`, /not YAML: .*unique/i],
    ['another version', good.replace('version: 1', 'version: 2'), /fleet\.yaml:4: version: /],
    ['a negative count', good.replace('mini: 1', 'mini: -1'), /counts\.mini: /],
    ['a port that is none', good.replace('firstPort: 3101', 'firstPort: 80'), /firstPort: /],
    ['an amount that is no whole number', good.replace('"10000000000000"', '"1.5"'), /minProfitWei: want an integer/],
    ['an amount below 0', good.replace('"1500000"', '"-1"'), /limits\.maxGasPerTrade is -1; an amount is 0 or more/],
    [
      'a negative loan of a token',
      good.replace('"600000000000"', '"-6"'),
      /limits\.tokens\.USDC\.maxInputRawPerTrade is -6/,
    ],
    [
      'a token that is none',
      good.replace('denyTokens: []', 'denyTokens: ["0x12", "US DC"]'),
      /risk\.denyTokens: "0x12" is no token.*\n.*"US DC" is no token/,
    ],
    ['a limit of no token', good.replace('USDC:', '"0xabc":'), /limits\.tokens: "0xabc" is no token/],
    ['a pool that is none', good.replace('denyPools: []', 'denyPools: [WETH]'), /risk\.denyPools: "WETH" is no pool/],
    ['an unknown risk', good.replace('maxScore: 80', 'maxScor: 80'), /unknown key "maxScor" in risk/],
    ['a risk above 100', good.replace('maxScore: 80', 'maxScore: 101'), /risk\.maxScore: /],
    ['a mistyped risk', good.replace('maxScore: 80', 'maxScor: 80'), /in risk; did you mean maxScore\?/],
    [
      'a mistyped field',
      good.replace('memoryMb: ', 'memryMb: '),
      /"memryMb" in roles\.code_indexer; did you mean memoryMb\?/,
    ],
    [
      'a field that is not there',
      good.replace(/ {4}priority: .*\n/, ''),
      /roles\.code_indexer\.priority is missing; want one of/,
    ],
    ['a role that is a word', good.replace(/ {2}admin:[\s\S]*$/, '  admin: one\n'), /roles\.admin: /],
  ])('%s', (_name, text, fault) => {
    expect(faultsOf(text).join('\n')).toMatch(fault)
  })

  test('a file that is not there', () => {
    expect(() => readSpec('/nonexistent.yaml', ROLE_NAMES)).toThrow(/\/nonexistent\.yaml cannot be read/)
  })
})

describe('a manifest that promises what it cannot hold', () => {
  test('an alias that names nothing is a fault of the file, not of arbdeck', () => {
    expect(faultsOf(good.replace('planBlocks: 8', 'planBlocks: *nothing'))[0]).toMatch(/alias/i)
  })

  test('a count above the max of its role, ports past the last one, and every overlap are named', () => {
    const text = good
      .replace('counts: { mini: 1, standard: 3, full: 20 }', 'counts: { mini: 1, standard: 3, full: 21 }')
      .replace('firstPort: 3301', 'firstPort: 65536')
      .replace('firstPort: 3121', 'firstPort: 3102')
      .replace('firstPort: 3141', 'firstPort: 3103')
    const faults = faultsOf(text).join('\n')
    expect(faults).toMatch(/roles\.code_indexer\.counts\.full is 21, above max 20/)
    expect(faults).toMatch(/ports of builder .* overlap those of code_indexer/)
    expect(faults).toMatch(/ports of test_writer .* overlap those of/)
    expect(faults).toMatch(/firstPort/)
  })
})
