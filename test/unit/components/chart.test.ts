import { describe, expect, test } from 'vitest'
import { drawLine } from '../../../components/chart/line-widget.ts'
import { prepareLine, thin } from '../../../components/chart/series.ts'
import { stripColour } from '../../../components/text.ts'

const points = (...values: number[]) =>
  values.map((value, n) => ({ label: `10:${String(n % 60).padStart(2, '0')}`, value }))
const isDrawn = (lines: readonly string[]) => lines.some((line) => /[\u2801-\u28ff]/.test(line))

function drawn(values: number[], width = 50, height = 12) {
  const prepared = prepareLine(points(...values), width, height)
  return prepared && drawLine(prepared.plot, true)
}

describe('whatever the series holds, the chart comes back at once with rows of the right width', () => {
  const rising = Array.from({ length: 120 }, (_, n) => n / 100)
  test.each([
    ['a rising line', rising],
    ['3,600 points', Array.from({ length: 3600 }, (_, n) => Math.sin(n / 100))],
    ['one point', [0.5]],
    ['two equal points', [3, 3]],
    ['zeros', [0, 0, 0]],
    ['losses', [-1, -2, -20.5]],
    ['a loss and a profit', [-1, 1]],
    ['gaps', [1, Number.NaN, 2, Number.NaN, Number.NaN, 3]],
    ['infinities', [1, Number.POSITIVE_INFINITY, 2, Number.NEGATIVE_INFINITY]],
    ['an outlier', [0.001, 1e7, 0.002]],
    ['wei', [1e-18, 2e-18]],
    ['more than there is', [1e12, 2e12]],
    ['hardly a difference', [1000, 1000.000001]],
  ])('%s', (_name, values) => {
    for (const [width, height] of [
      [50, 12],
      [16, 5],
      [73, 20],
    ] as const) {
      const lines = drawn(values, width, height) ?? []
      expect(lines).toHaveLength(height)
      expect(lines.map((line) => stripColour(line).length)).toEqual(Array(height).fill(width))
      expect(isDrawn(lines)).toBe(true)
      expect(lines.join('')).not.toContain('undefined')
    }
  })
})

test('nothing finite, or no room, is no chart', () => {
  expect(prepareLine([], 50, 12)).toBeNull()
  expect(prepareLine(points(Number.NaN, Number.POSITIVE_INFINITY), 50, 12)).toBeNull()
  expect(prepareLine(points(1, 2), 15, 12)).toBeNull()
  expect(prepareLine(points(1, 2), 50, 4)).toBeNull()
})

test('the axis holds every value, with headroom, in a unit whose labels say something', () => {
  const prepared = prepareLine(points(-0.02, 0.05), 50, 12)
  expect(prepared?.unit).toBe('milli-ETH')
  expect(prepared?.plot.minY).toBeLessThan(-20)
  expect(prepared?.plot.maxY).toBeGreaterThan(50)
  expect(prepareLine(points(0, 12), 50, 12)).toMatchObject({ unit: 'ETH', plot: { minY: 0 } })
})

test('negative labels are whole', () => {
  const text = (drawn([-20, -40, -60]) ?? []).map(stripColour).join('\n')
  expect(text).toMatch(/-6\d/)
  expect(text).not.toMatch(/^\s*-\d\s/m)
})

test('colour is closed on every row, and without colour there is no code at all', () => {
  const prepared = prepareLine(points(1, 3, 2), 50, 12)
  const coloured = prepared ? drawLine(prepared.plot, true) : []
  expect(coloured.join('')).toContain('\u001B[32m')
  for (const line of coloured) expect(line.lastIndexOf('\u001B[39m')).toBe(line.lastIndexOf('\u001B['))
  expect((prepared ? drawLine(prepared.plot, false) : []).join('')).not.toContain('\u001B')
})

test('thinning keeps the first and the last', () => {
  const thinned = thin([...Array(1000).keys()], 100)
  expect(thinned).toHaveLength(100)
  expect([thinned[0], thinned.at(-1)]).toEqual([0, 999])
})

test('drawing adds no listener to the process', () => {
  const before = process.eventNames().map((name) => process.listenerCount(name))
  for (let n = 0; n < 50; n += 1) drawn([1, 2, n])
  expect(process.eventNames().map((name) => process.listenerCount(name))).toEqual(before)
})
