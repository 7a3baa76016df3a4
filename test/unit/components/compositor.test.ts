import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compositor, type StockOutputClass } from '../../../components/ink/compositor.ts'

const inkBuild = dirname(createRequire(import.meta.url).resolve('ink'))
const { default: Stock } = (await import(pathToFileURL(join(inkBuild, 'output.js')).href)) as {
  default: StockOutputClass
}
const Ours = compositor(Stock)

interface Writable {
  write(x: number, y: number, text: string, options: { transformers: unknown[] }): void
  clip(clip: { x1: number; x2: number; y1: number; y2: number }): void
  unclip(): void
}
interface Write {
  x: number
  y: number
  text: string
}

const WIDTH = 40
const HEIGHT = 6
const STYLES: Record<string, [number, string]> = { 1: [0, 'bold'], 2: [1, 'dim'], 7: [2, 'inverse'] }
const CLOSES: Record<string, number[]> = { 22: [0, 1], 27: [2], 39: [3], 49: [4], 0: [0, 1, 2, 3, 4] }

/** What a terminal would show: one string a cell, character and style. */
function cellsOf(output: string): string[][] {
  return output.split('\n').map((line) => {
    const style = ['', '', '', '', '']
    const cells: string[] = []
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
    for (const [piece, codes] of line.matchAll(/\u001B\[([\d;]*)m|[\s\S]/gu)) {
      if (codes === undefined) cells.push(piece + style.join(','))
      else for (const code of codes.split(';')) apply(style, code)
    }
    while (cells.at(-1) === ' ,,,,') cells.pop()
    return cells
  })
}

function apply(style: string[], code: string): void {
  const closed = CLOSES[code]
  const flag = STYLES[code]
  if (closed) for (const slot of closed) style[slot] = ''
  else if (flag) style[flag[0]] = flag[1]
  else style[/^4|^10/.test(code) ? 4 : 3] = code
}

function both(writes: readonly Write[], clip = false): [string[][], string[][]] {
  const [a, b] = [Stock, Ours].map((Output) => {
    const output = new Output({ width: WIDTH, height: HEIGHT }) as InstanceType<StockOutputClass> & Writable
    if (clip) output.clip({ x1: 3, x2: 20, y1: 1, y2: 4 })
    for (const { x, y, text } of writes) output.write(x, y, text, { transformers: [] })
    if (clip) output.unclip()
    return cellsOf(output.get().output)
  })
  return [a ?? [], b ?? []]
}

const word = fc.string({ unit: fc.constantFrom(...'ab│─●▸⣿ '), minLength: 1, maxLength: 8 })
const styled = fc
  .tuple(
    fc.constantFrom(['32', '39'], ['1', '22'], ['7', '27'], ['2', '22'], ['1;97;41', '22;39;49'], ['30;43', '39;49']),
    word,
  )
  .map(([[open, close], text]) => `\u001B[${open}m${text}\u001B[${close}m`)
/** A style that nobody closes ends with the text it is in. */
const unclosed = word.map((text) => `\u001B[31m${text}`)
const line = fc
  .array(fc.oneof({ weight: 4, arbitrary: word }, { weight: 4, arbitrary: styled }, unclosed), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join(''))
const write = fc.record({
  x: fc.integer({ min: 0, max: 30 }),
  y: fc.integer({ min: 0, max: HEIGHT }),
  text: fc.array(line, { minLength: 1, maxLength: 3 }).map((lines) => lines.join('\n')),
})

test('any writes, apart or one over another, give cell by cell what Ink gives', () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 6 }), (writes) => {
      const [stock, ours] = both(writes)
      expect(ours).toEqual(stock)
    }),
    { numRuns: 500 },
  )
})

test('a colour left open behind a style that was closed stays in its text', () => {
  const [stock, ours] = both([
    { x: 0, y: 0, text: '\u001B[31ma\u001B[2mb\u001B[22m' },
    { x: 10, y: 0, text: 'c' },
  ])
  expect(ours).toEqual(stock)
})

test('clipped writes too', () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 4 }), (writes) => {
      const [stock, ours] = both(writes, true)
      expect(ours).toEqual(stock)
    }),
    { numRuns: 100 },
  )
})

test('rows side by side take the short way', () => {
  const Refusing = compositor(
    class extends Stock {
      override get(): never {
        throw new Error('the long way')
      }
    },
  )
  const output = new Refusing({ width: WIDTH, height: 2 }) as InstanceType<StockOutputClass> & Writable
  output.write(0, 0, '\u001B[32mleft\u001B[39m\nbelow', { transformers: [] })
  output.write(20, 0, 'right', { transformers: [] })
  expect(output.get().output).toBe(`\u001B[32mleft\u001B[39m${' '.repeat(16)}right\nbelow`)
})
