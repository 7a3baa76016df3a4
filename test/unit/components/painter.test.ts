import { expect, test } from 'vitest'
import { createPainter } from '../../../components/painter.ts'

function setUp() {
  const written: string[] = []
  const state = { busy: false, size: { columns: 10, rows: 3 } }
  const painter = createPainter(
    (text) => written.push(text),
    () => state.size,
    () => state.busy,
  )
  return { painter, written, state }
}

test('writes the first frame whole, then only the lines that changed', () => {
  const { painter, written } = setUp()
  painter.paint('one\ntwo\nthree')
  painter.paint('one\nTWO\nthree')
  expect(written[0]).toContain('\u001B[2J')
  expect(written[1]).toContain('\u001B[2;1HTWO')
  expect(written[1]).not.toMatch(/one|three/)
})

test('writes nothing when nothing changed', () => {
  const { painter, written } = setUp()
  painter.paint('same')
  painter.paint('same')
  expect(written).toHaveLength(1)
})

test('a frame that became shorter leaves no ghost line', () => {
  const { painter, written } = setUp()
  painter.paint('one\ntwo')
  painter.paint('one')
  expect(written[1]).toContain('\u001B[2;1H\u001B[K')
})

test('a line as wide as the terminal is not erased after, or its last character would go', () => {
  const { painter, written } = setUp()
  painter.paint('0123456789\nshort')
  expect(written[0]).toContain('0123456789\u001B[2;1H')
  expect(written[0]).toContain('short\u001B[K')
})

test('while the terminal is slow frames are left out, and the latest comes when it has caught up', () => {
  const { painter, written, state } = setUp()
  painter.paint('a')
  state.busy = true
  for (const frame of ['b', 'c', 'd']) painter.paint(frame)
  expect(written).toHaveLength(1)
  state.busy = false
  painter.drained()
  expect(written).toHaveLength(2)
  expect(written[1]).toContain('d')
})

test('after a resize everything is written again', () => {
  const { painter, written } = setUp()
  painter.paint('one')
  painter.forget()
  painter.drained()
  expect(written[1]).toContain('\u001B[2J')
  expect(written[1]).toContain('one')
})

test('never writes below the last row', () => {
  const { painter, written } = setUp()
  painter.paint('1\n2\n3\n4\n5')
  expect(written[0]).not.toContain('\u001B[4;1H')
})
