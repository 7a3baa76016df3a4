import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cut, fit, padTo, plain, widthOf } from '../../../components/text.ts'

test('text from outside becomes one line without codes', () => {
  expect(plain('\u001B[31mred\u001B[0m\tand\r\nblue')).toBe('red and blue')
  expect(plain('title \u001B]0;evil\u0007done')).toBe('title done')
  expect(plain('beep\u0007 null\u0000')).toBe('beep? null?')
})

test('a character of another width than one becomes a question mark', () => {
  expect(plain('価格 up 🚀 e\u0301')).toBe('?? up ? e?')
  expect(plain('naïve → ● ▸ … Ж')).toBe('naïve → ● ▸ … Ж')
})

test('whatever comes in, plain text holds no control character and cut text is not too long', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, width) => {
      const shown = plain(text)
      expect([...shown].every((char) => char >= ' ' && char !== '\u007F')).toBe(true)
      expect(cut(shown, width).length).toBeLessThanOrEqual(width)
      expect(fit(shown, width)).toHaveLength(width)
      expect(fit(shown, width, 'right')).toHaveLength(width)
    }),
  )
})

test('colour takes no columns', () => {
  expect(widthOf('\u001B[1;97;41mHALT\u001B[22;39;49m')).toBe(4)
  expect(padTo('\u001B[32mok\u001B[39m', 5)).toBe('\u001B[32mok\u001B[39m   ')
})
