import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FLEET_ROWS, layoutOf, PANES, type Rect, windowStart } from '../../../components/layout.ts'

const wish = { focus: 'fleet', zoom: false, agents: 10 } as const
const shown = (columns: number, rows: number) => Object.keys(layoutOf({ columns, rows }, wish).areas).sort()

describe('a terminal', () => {
  test('below 60x15 is too small, either way, and 60x15 is not', () => {
    expect(layoutOf({ columns: 59, rows: 60 }, wish).kind).toBe('small')
    expect(layoutOf({ columns: 200, rows: 14 }, wish).kind).toBe('small')
    expect(layoutOf({ columns: 60, rows: 15 }, wish).kind).toBe('single')
  })

  test('of 60x15 shows the focused pane with room for ten roles', () => {
    const { areas } = layoutOf({ columns: 60, rows: 15 }, wish)
    expect(areas).toEqual({ fleet: { x: 0, y: 1, width: 60, height: FLEET_ROWS } })
    expect(Object.keys(layoutOf({ columns: 60, rows: 15 }, { ...wish, focus: 'logs' }).areas)).toEqual(['logs'])
  })

  test('of 80x24 shows all panes but the chart, of 120x35 and 200x60 all', () => {
    expect(shown(80, 24)).toEqual(['agents', 'fleet', 'logs', 'opportunities'])
    expect(shown(120, 35)).toEqual(['agents', 'chart', 'fleet', 'logs', 'opportunities'])
    expect(shown(200, 60)).toEqual(['agents', 'chart', 'fleet', 'logs', 'opportunities'])
  })

  test('zoomed shows the focused pane alone', () => {
    const { areas } = layoutOf({ columns: 200, rows: 60 }, { ...wish, focus: 'agents', zoom: true })
    expect(areas).toEqual({ agents: { x: 0, y: 2, width: 200, height: 57 } })
  })
})

test('at any size the panes tile the body without gap or overlap, and every role has its row', () => {
  const sizes = fc.record({ columns: fc.integer({ min: 60, max: 400 }), rows: fc.integer({ min: 15, max: 150 }) })
  const wishes = fc.record({ focus: fc.constantFrom(...PANES), zoom: fc.boolean(), agents: fc.nat(111) })
  fc.assert(
    fc.property(sizes, wishes, (size, wanted) => {
      const { areas, statusRows } = layoutOf(size, wanted)
      const rects = Object.values(areas)
      const cells = new Set<number>()
      for (const { x, y, width, height } of rects) {
        expect(width).toBeGreaterThanOrEqual(38)
        expect(height).toBeGreaterThanOrEqual(5)
        expect(y).toBeGreaterThanOrEqual(statusRows)
        expect(y + height).toBeLessThanOrEqual(size.rows - 1)
        expect(x + width).toBeLessThanOrEqual(size.columns)
        for (let row = y; row < y + height; row += 1) {
          for (let column = x; column < x + width; column += 1) cells.add(row * 1000 + column)
        }
      }
      const area = (sum: number, rect: Rect) => sum + rect.width * rect.height
      expect(rects.reduce(area, 0)).toBe(size.columns * (size.rows - statusRows - 1))
      expect(cells.size).toBe(size.columns * (size.rows - statusRows - 1))
      if (areas.fleet) expect(areas.fleet.height).toBeGreaterThanOrEqual(FLEET_ROWS)
    }),
    { numRuns: 60 },
  )
})

test('the window holds the cursor and never begins before the first or after what fills it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 60 }), fc.nat(199), (count, height, at) => {
      const cursor = Math.min(at, count - 1)
      const start = windowStart(count, height, cursor)
      expect(start).toBeGreaterThanOrEqual(0)
      expect(start).toBeLessThanOrEqual(cursor)
      expect(cursor).toBeLessThan(start + height)
      expect(start).toBeLessThanOrEqual(Math.max(0, count - height))
    }),
  )
})
