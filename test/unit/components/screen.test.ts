import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pressKey } from '../../../components/commands.ts'
import { initialModel, type Model } from '../../../components/model.ts'
import { withFailure, withLogLines, withProgress, withTime } from '../../../components/news.ts'
import { stripColour } from '../../../components/text.ts'
import { FIXED_TIME } from '../../fixtures/fake-client.ts'
import { frameOf, modelAt } from '../../fixtures/one-frame.tsx'
import { ROLE_NAMES } from '../../fixtures/roles.ts'

const zone = process.env.TZ
beforeAll(() => {
  process.env.TZ = 'UTC'
})
afterAll(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

const SIZES = [
  [200, 60],
  [120, 35],
  [80, 24],
  [60, 15],
] as const

const press = (model: Model, ...keys: string[]): Model => keys.reduce((m, key) => pressKey(m, key).model, model)

const textOf = (model: Model): string => stripColour(frameOf(model))

function expectWhole(frame: string, model: Model): void {
  const lines = stripColour(frame).split('\n')
  expect(lines.length).toBeLessThanOrEqual(model.size.rows)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(model.size.columns)
}

describe.each(SIZES)('at %dx%d', (columns, rows) => {
  test.each([
    ['mini', false],
    ['full', true],
  ])('the %s fleet looks as it did, twice', async (name, full) => {
    const model = modelAt(columns, rows, { full })
    const text = textOf(model)
    expect(textOf(model)).toBe(text)
    await expect(`${text}\n`).toMatchFileSnapshot(`golden/${name}-${columns}x${rows}.txt`)
  })

  test('no line is wider than the terminal and no frame higher, whatever is looked at', () => {
    const model = modelAt(columns, rows, { full: true })
    for (const keys of [['tab'], ['tab', 'tab'], ['shift-tab', 'k'], ['z'], ['?'], ['H'], ['enter'], ['G', '+']]) {
      const looked = press(model, ...keys)
      expectWhole(frameOf(looked, true), looked)
    }
  })

  test('q is explained', () => expect(textOf(modelAt(columns, rows))).toContain('q quit'))
})

test('at 120x35 and above every role is seen by its full name', () => {
  for (const [columns, rows] of [
    [120, 35],
    [200, 60],
  ] as const) {
    const text = textOf(modelAt(columns, rows))
    for (const role of ROLE_NAMES) expect(text).toMatch(new RegExp(`│ .*\\b${role} `))
  }
})

test('one row or column below 60x15 one line says what there is, what is needed, and how to leave', () => {
  expect(textOf(modelAt(59, 14))).toBe('This terminal is 59x14; arbdeck needs 60x15. q quits.')
  expect(textOf(modelAt(59, 40)).split('\n')).toHaveLength(1)
  expect(textOf(modelAt(200, 14)).split('\n')).toHaveLength(1)
  expect(textOf(modelAt(10, 3))).toBe('q quits')
  expect(textOf(modelAt(1, 1)).trim()).toBe('')
})

test('enlarged again it shows the panes', () => {
  const small = modelAt(59, 14)
  expect(textOf({ ...small, size: { columns: 60, rows: 15 } })).toContain('code_indexer')
})

test('a halt is told with its reason at every size, by more than colour', () => {
  for (const [columns, rows] of SIZES) {
    const model = modelAt(columns, rows, { change: { halt: { set: true, reason: 'gas is odd' } } })
    expect(textOf(model)).toContain('HALT gas is odd')
    expect(frameOf(model, true)).toContain('\u001B[1m\u001B[97m\u001B[41m HALT')
    expect(frameOf(model)).toContain('\u001B[1m\u001B[7m HALT')
  }
})

test('a stale picture says how old it is and why, and stays', () => {
  const failed = withTime(withFailure(modelAt(120, 35), 'Redis did not answer'), FIXED_TIME + 12_000)
  expect(textOf(failed)).toContain('stale, 12s: Redis did not answer')
  expect(textOf(failed)).toContain('code_indexer-1')
})

test('what only a part of the picture lacks is told too', () => {
  const since = new Date(FIXED_TIME - 7_000).toISOString()
  const model = modelAt(120, 35, { change: { stale: [{ source: 'hub', since, message: 'refused' }] } })
  expect(textOf(model)).toContain('hub not seen for 7s: refused')
})

test('real funds are told from practice', () => {
  const chain = { id: 1, head: 5, sandbox: false, instance: '1', name: 'mainnet' }
  expect(textOf(modelAt(120, 35))).toContain('practice market')
  expect(textOf(modelAt(120, 35, { change: { chain, live: true } }))).toContain('LIVE: real funds')
  expect(textOf(modelAt(120, 35, { change: { chain, live: false } }))).toContain('dry run: nothing is sent')
})

test('while the fleet starts, services and agents are shown as they come up', async () => {
  const at = new Date(FIXED_TIME).toISOString()
  let model = initialModel({ size: { columns: 80, rows: 24 }, now: FIXED_TIME, fleet: 'arbdeck' })
  expectWhole(frameOf(model, true), model)
  expect(textOf(model)).toContain('asking the engine')
  model = withProgress(model, { type: 'service', at, name: 'sandbox', state: 'starting', note: 'deploying Uniswap' })
  model = withProgress(model, { type: 'service', at, name: 'redis', state: 'healthy' })
  model = withProgress(model, { type: 'agent', at, id: 'admin-1', role: 'admin', state: 'healthy' })
  model = withProgress(model, { type: 'agent', at, id: 'planner-1', role: 'planner', state: 'starting' })
  model = withProgress(model, { type: 'note', at, level: 'info', from: 'up', message: 'embedded, as asked' })
  const text = textOf(withTime(model, FIXED_TIME + 4_000))
  await expect(`${text}\n`).toMatchFileSnapshot('golden/start-80x24.txt')
})

test('the help names every key and fits or scrolls', async () => {
  await expect(`${textOf(press(modelAt(80, 24), '?'))}\n`).toMatchFileSnapshot('golden/help-80x24.txt')
  const small = modelAt(60, 15)
  expect(textOf(press(small, '?'))).not.toContain('quit without a question')
  expect(textOf(press(small, '?', 'G'))).toContain('quit without a question')
})

test('with NO_COLOR there is no colour code, with colour there is', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
  const colours = /\u001B\[(?:3[0-8]|4[0-8]|9\d)m/
  expect(frameOf(modelAt(120, 35))).not.toMatch(colours)
  expect(frameOf(modelAt(120, 35), true)).toMatch(colours)
})

test('text from outside cannot break the screen', () => {
  const evil = '\u001B[2J\u001B[H evil \u0007 価格 🚀\n\n second line'
  const model = withLogLines(withFailure(modelAt(120, 35, { change: { halt: { set: true, reason: evil } } }), evil), [
    { at: 'no time', source: 'x', level: 'error', message: evil.repeat(50) },
  ])
  const frame = frameOf(model, true)
  expectWhole(frame, model)
  expect(frame).not.toContain('\u001B[2J')
  expect(frame.split('\n').filter((line) => line.includes('╭'))).toHaveLength(
    frameOf(modelAt(120, 35), true)
      .split('\n')
      .filter((line) => line.includes('╭')).length,
  )
})
