import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { executorKey, keyAddress } from '../../../agent/sandbox/keys.ts'
import { readKeyFile } from '../../../src/launch/key-file.ts'
import { asFleetError, type FleetError } from '../../../src/protocol/errors.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'ad-keys-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const [one, two] = [executorKey('keys', 1), executorKey('keys', 2)]
function fileOf(text: string, mode = 0o600): string {
  const file = path.join(folder, 'keys')
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}
function refusal(text: string): FleetError {
  try {
    readKeyFile(fileOf(text))
  } catch (thrown) {
    return asFleetError(thrown)
  }
  return expect.fail('it was read')
}

test('keys are read in their order, with or without 0x, whatever editor wrote the file', () => {
  const { keys, addresses } = readKeyFile(fileOf(`\uFEFF# mine\r\n${one}\r\n\r\n  ${two.slice(2).toUpperCase()}  \r\n`))
  expect(keys).toEqual([one, two])
  expect(addresses).toEqual([keyAddress(one), keyAddress(two)])
})

test('a file that others can read says so', () => {
  expect(readKeyFile(fileOf(one)).exposed).toBe(false)
  expect(readKeyFile(fileOf(one, 0o640)).exposed).toBe(true)
})

test.each([
  ['no key at all', '# nothing\n', /:1 /],
  ['a short one', `${one}\n${two.slice(0, -1)}\n`, /:2 .*64 hex digits/],
  ['zero', `0x${'0'.repeat(64)}`, /:1 /],
  ['one above the order of the curve', `0x${'f'.repeat(64)}`, /:1 /],
  ['a mnemonic', 'test test test test', /:1 /],
  ['the same one twice', `${one}\n\n${one.slice(2)}`, /:3 repeats the key of 0x/],
])('%s is refused with its line, and never shown', (_, text, where) => {
  const error = refusal(text)
  expect(error).toMatchObject({ code: 'config_invalid', exitCode: 2 })
  expect(error.message).toMatch(where)
  for (const line of text.split('\n'))
    if (line.length > 12) expect(JSON.stringify(error)).not.toContain(line.slice(4, -2))
})

test('a file that is not there is named', () => {
  expect(() => readKeyFile(path.join(folder, 'nothing'))).toThrow(/nothing cannot be read/)
})
