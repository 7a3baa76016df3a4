import fc from 'fast-check'
import { expect, test } from 'vitest'
import { commandOf, createKeyParser, KEY_MAP } from '../../../components/keys.ts'

test('keys pressed fast arrive as one piece and all count', () => {
  expect(createKeyParser()('jjj')).toEqual(['j', 'j', 'j'])
  expect(createKeyParser()('\u001B[B\u001B[B+\t\u001B[Zq')).toEqual(['down', 'down', '+', 'tab', 'shift-tab', 'q'])
})

test.each([
  ['\u001B[A', 'up'],
  ['\u001BOB', 'down'],
  ['\u001B[5~', 'pageup'],
  ['\u001B[6~', 'pagedown'],
  ['\u001B[H', 'home'],
  ['\u001B[4~', 'end'],
  ['\r', 'enter'],
  ['\u0003', 'ctrl-c'],
  ['\u000C', 'ctrl-l'],
  ['\u001B', 'escape'],
])('%j is the key %s', (sequence, key) => expect(createKeyParser()(sequence)).toEqual([key]))

test('a sequence cut in two is still one key', () => {
  const parse = createKeyParser()
  expect(parse('j\u001B[')).toEqual(['j'])
  expect(parse('6~k')).toEqual(['pagedown', 'k'])
})

test('pasted text presses no key, also when it comes in pieces', () => {
  const parse = createKeyParser()
  expect(parse('\u001B[200~quit q H')).toEqual([])
  expect(parse('y\u001B[201~j')).toEqual(['j'])
})

test('mouse, focus and function keys mean nothing', () => {
  expect(createKeyParser()('\u001B[<64;10;10M\u001B[I\u001B[15~\u001BOP')).toEqual([])
})

test('whatever arrives, the parser gives keys and never throws', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), (chunks) => {
      const parse = createKeyParser()
      for (const chunk of chunks) expect(parse(chunk).every((key) => key.length > 0)).toBe(true)
    }),
  )
})

test('no key means two things, and every command has a key and a word of help', () => {
  const keys = KEY_MAP.flatMap((binding) => binding.keys)
  expect(new Set(keys).size).toBe(keys.length)
  expect(KEY_MAP.every((binding) => binding.keys.length > 0 && binding.help !== '')).toBe(true)
})

test('q and Ctrl-C quit', () => {
  expect(commandOf('q')).toBe('quit')
  expect(commandOf('ctrl-c')).toBe('quit')
})
