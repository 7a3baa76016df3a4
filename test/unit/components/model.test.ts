import { describe, expect, test } from 'vitest'
import { type Effect, pressKey } from '../../../components/commands.ts'
import {
  agentsShown,
  cursorOf,
  initialModel,
  LOG_LINES,
  type Model,
  scaleTarget,
  staleFor,
} from '../../../components/model.ts'
import {
  withFailure,
  withLogLines,
  withLogScope,
  withNotice,
  withProgress,
  withSnapshot,
  withTime,
  withUsage,
  withWanted,
} from '../../../components/news.ts'
import { FIXED_TIME, fakeLogLine, fakeSnapshot, fullCounts } from '../../fixtures/fake-client.ts'

const size = { columns: 120, rows: 35 }
const empty = () => initialModel({ size, now: FIXED_TIME, fleet: 'arbdeck' })
const mini = () => withSnapshot(empty(), fakeSnapshot(), FIXED_TIME)
const full = () => withSnapshot(empty(), fakeSnapshot({ counts: fullCounts() }), FIXED_TIME)

function press(model: Model, ...keys: string[]): { model: Model; effects: Effect[] } {
  const effects: Effect[] = []
  for (const key of keys) {
    const outcome = pressKey(model, key)
    model = outcome.model
    if (outcome.effect) effects.push(outcome.effect)
  }
  return { model, effects }
}
const lines = (count: number) => Array.from({ length: count }, (_, n) => fakeLogLine(n, 'executor-1', FIXED_TIME))

describe('moving', () => {
  test('j and k walk the roles and stop at both ends', () => {
    expect(press(mini(), 'j', 'j').model.look.role).toBe('test_writer')
    expect(press(mini(), 'k').model.look.role).toBe('code_indexer')
    expect(press(mini(), 'G', 'j').model.look.role).toBe('admin')
    expect(press(mini(), 'G', 'g').model.look.role).toBe('code_indexer')
  })

  test('Tab goes round the panes, Shift-Tab back', () => {
    expect(press(mini(), 'tab').model.look.focus).toBe('agents')
    expect(press(mini(), 'tab', 'tab', 'tab', 'tab').model.look.focus).toBe('fleet')
    expect(press(mini(), 'shift-tab').model.look.focus).toBe('logs')
  })

  test('the chosen agent stays chosen when others come before it', () => {
    const { model } = press(mini(), 'tab', 'j')
    expect(model.look.agent).toBe('builder-1')
    const grown = withSnapshot(model, fakeSnapshot({ counts: fullCounts() }), FIXED_TIME)
    expect(grown.snapshot?.agents[cursorOf(grown.snapshot.agents, grown.look.agent)]?.id).toBe('builder-1')
  })

  test('the first opportunity is always the newest, a chosen one stays itself', () => {
    const { model } = press(mini(), 'tab', 'tab', 'j')
    const second = model.snapshot?.opportunities[1]?.id
    expect(model.look.opportunity).toBe(second)
    expect(press(model, 'g').model.look.opportunity).toBeNull()
  })

  test('before the first picture keys move nothing and throw nothing', () => {
    expect(press(empty(), 'tab', 'j', '+', 'enter', 'H').model).toEqual(empty())
  })
})

describe('agents', () => {
  test('Enter on a role shows only its agents, and all again', () => {
    const { model } = press(full(), 'j', 'enter')
    expect(agentsShown(model).map(({ role }) => role)).toEqual(Array(15).fill('builder'))
    expect(agentsShown(press(model, 'enter').model)).toHaveLength(111)
    expect(agentsShown(press(model, 'escape').model)).toHaveLength(111)
  })

  test('Enter on an agent asks for its logs', () => {
    const { effects } = press(mini(), 'tab', 'j', 'enter')
    expect(effects).toEqual([{ kind: 'logs', scope: { kind: 'agent', id: 'builder-1' } }])
  })
})

describe('scaling', () => {
  test('+, = and - ask for one step of the chosen role and show the wish at once', () => {
    const { model, effects } = press(mini(), 'j', '+', '=', '-')
    expect(effects).toEqual([
      { kind: 'scale', role: 'builder', delta: 1 },
      { kind: 'scale', role: 'builder', delta: 1 },
      { kind: 'scale', role: 'builder', delta: -1 },
    ])
    expect(model.pending).toEqual({ builder: 2 })
  })

  test('in the agents pane they scale the role of the agent that is looked at', () => {
    expect(scaleTarget(press(mini(), 'tab', 'j', 'j', 'j').model)).toBe('executor')
  })

  test('below nothing there is nothing to ask for', () => {
    const { model, effects } = press(mini(), '-', '-')
    expect(effects).toHaveLength(1)
    expect(model.notice).toMatchObject({ level: 'error', text: 'code_indexer is at 0 already' })
  })

  test('a wish goes when the fleet wants it too, and when the fleet refuses', () => {
    const wished = press(mini(), '+').model
    expect(withSnapshot(wished, fakeSnapshot(), FIXED_TIME).pending).toEqual({ code_indexer: 2 })
    const counts = { ...fullCounts(), code_indexer: 2 }
    expect(withSnapshot(wished, fakeSnapshot({ counts }), FIXED_TIME).pending).toEqual({})
    expect(withWanted(wished, 'code_indexer', null).pending).toEqual({})
    const agreed = withWanted(wished, 'code_indexer', 2)
    expect(agreed.pending).toEqual({})
    expect(agreed.snapshot?.roles[0]?.want).toBe(2)
  })
})

describe('halt', () => {
  test('asks first, does it on y, and only then', () => {
    expect(press(mini(), 'H', 'y').effects).toEqual([{ kind: 'halt' }])
    expect(press(mini(), 'H', 'n').effects).toEqual([])
    expect(press(mini(), 'H', 'n').model.look.question).toBeNull()
    expect(press(mini(), 'y').effects).toEqual([])
  })

  test('resumes when it is set', () => {
    const halted = withSnapshot(empty(), fakeSnapshot({ change: { halt: { set: true, reason: 'x' } } }), FIXED_TIME)
    expect(press(halted, 'H', 'y').effects).toEqual([{ kind: 'resume' }])
  })
})

test('q and Ctrl-C quit from everywhere: at the start, in the help, at a question', () => {
  for (const key of ['q', 'ctrl-c']) {
    expect(press(empty(), key).effects).toEqual([{ kind: 'quit' }])
    expect(press(mini(), '?', key).effects).toEqual([{ kind: 'quit' }])
    expect(press(mini(), 'H', key).effects).toEqual([{ kind: 'quit' }])
  }
})

test('while the help is open keys scroll it and change nothing else', () => {
  const { model, effects } = press(mini(), '?', 'j', '+', 'tab')
  expect(effects).toEqual([])
  expect(model.look).toMatchObject({ over: 'help', overTop: 1, focus: 'fleet' })
  expect(press(model, '?').model.look.over).toBeNull()
})

describe('logs', () => {
  const filled = (count: number) => withLogLines(press(mini(), 'shift-tab').model, lines(count))

  test('keep the last 500 lines', () => {
    const model = withLogLines(filled(LOG_LINES), lines(7))
    expect(model.logs.lines).toHaveLength(LOG_LINES)
    expect(model.logs.first).toBe(7)
  })

  test('stand still at a line once scrolled up, and follow again at the end', () => {
    const held = press(filled(100), 'k', 'k').model
    expect(held.look.logEnd).toBe(97)
    expect(withLogLines(held, lines(50)).look.logEnd).toBe(97)
    expect(press(held, 'j', 'j').model.look.logEnd).toBeNull()
    expect(press(held, 'G').model.look.logEnd).toBeNull()
  })

  test('of another scope begin empty and follow', () => {
    const model = withLogScope(press(filled(100), 'k').model, { kind: 'agent', id: 'admin-1' })
    expect(model.logs).toMatchObject({ lines: [], first: 0, scope: { id: 'admin-1' } })
    expect(model.look.logEnd).toBeNull()
  })
})

describe('staleness', () => {
  test('is told after three seconds without a picture, at once after a failure, and gone with the next picture', () => {
    const model = mini()
    expect(staleFor(withTime(model, FIXED_TIME + 2_900))).toBeNull()
    expect(staleFor(withTime(model, FIXED_TIME + 3_100))).toBe(3_100)
    const failed = withTime(withFailure(model, 'Redis is away'), FIXED_TIME + 1_000)
    expect(staleFor(failed)).toBe(1_000)
    expect(staleFor(withSnapshot(failed, fakeSnapshot(), FIXED_TIME + 2_000))).toBeNull()
  })
})

test('what a role uses stays known between two looks at it, and the newest counts', () => {
  const roles = (cpuPercent: number) => fakeSnapshot().roles.map((view) => ({ ...view, cpuPercent, memoryBytes: 5e8 }))
  let model = withUsage(mini(), roles(40))
  model = withSnapshot(model, fakeSnapshot(), FIXED_TIME)
  expect(model.snapshot?.roles[0]).toMatchObject({ cpuPercent: 40, memoryBytes: 5e8 })
  expect(withUsage(model, roles(50)).snapshot?.roles[0]?.cpuPercent).toBe(50)
})

test('a notice goes by itself', () => {
  const told = withNotice(mini(), 'info', 'done')
  expect(withTime(told, FIXED_TIME + 3_000).notice).not.toBeNull()
  expect(withTime(told, FIXED_TIME + 5_000).notice).toBeNull()
})

test('the profit version grows with the series and not without', () => {
  const model = mini()
  expect(withSnapshot(model, fakeSnapshot(), FIXED_TIME).profitVersion).toBe(model.profitVersion)
  expect(withSnapshot(model, fakeSnapshot({ beat: 13 }), FIXED_TIME).profitVersion).toBe(model.profitVersion + 1)
})

test('the start keeps one entry a service and an agent, its latest', () => {
  const at = new Date(FIXED_TIME).toISOString()
  let model = withProgress(empty(), { type: 'service', at, name: 'redis', state: 'starting' })
  model = withProgress(model, { type: 'service', at, name: 'redis', state: 'healthy' })
  model = withProgress(model, { type: 'agent', at, id: 'admin-1', role: 'admin', state: 'starting' })
  model = withProgress(model, { type: 'agent', at, id: 'admin-1', role: 'admin', state: 'healthy' })
  model = withProgress(model, { type: 'note', at, level: 'info', from: 'up', message: 'hello' })
  expect(model.startup).toMatchObject({
    services: [{ name: 'redis', state: 'healthy' }],
    agents: [{ id: 'admin-1', state: 'healthy' }],
    notes: [{ message: 'hello' }],
  })
})
