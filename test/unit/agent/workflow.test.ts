import fc from 'fast-check'
import { expect, test } from 'vitest'
import { advance, begin, MAX_MENDS, pending } from '../../../agent/workflow.ts'
import { type Workflow, WorkflowSchema } from '../../../agent/workflow-state.ts'
import { toJson } from '../../../src/protocol/json.ts'
import type { Task } from '../../../src/protocol/task.ts'
import { opportunity } from '../../fixtures/trade.ts'
import { type Answer, type Answers, answerTo, run } from '../../fixtures/trade-network.ts'

const OK: Answer = { outcome: 'ok' }
const always: Answers = () => OK
const answering =
  (table: Record<string, Answer>): Answers =>
  (task) =>
    table[`${task.stage}/${task.attempt}/${task.round}`] ?? table[task.stage] ?? OK

/** Answers drawn at random, but the same for the same task. */
const answersArbitrary = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant<Answer>(OK) },
      { weight: 2, arbitrary: fc.constant<Answer>({ outcome: 'failed' }) },
      { weight: 1, arbitrary: fc.constant<Answer>({ outcome: 'failed', status: 'missed' }) },
      { weight: 2, arbitrary: fc.constant<Answer>({ outcome: 'stale' }) },
      { weight: 1, arbitrary: fc.constant<Answer>({ outcome: 'refused' }) },
      { weight: 1, arbitrary: fc.constant<Answer>({ outcome: 'expired' }) },
    ),
    { minLength: 7, maxLength: 41 },
  )
  .map((list): Answers => {
    return (task) =>
      list[[...task.taskId].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 9973, 7) % list.length] as Answer
  })
const headArbitrary = fc.oneof(fc.constant(null), fc.integer({ min: 100, max: 110 }))
const choicesArbitrary = fc.array(fc.nat(50), { maxLength: 60 })

const stagesOf = (tasks: Iterable<Task>): string[] => [...tasks].map((t) => `${t.stage}/${t.attempt}/${t.round}`)
/** All but which result came last, which the order of arrival may decide when nothing changed. */
const outcomeOf = ({ ended, review, execution, attempt, round, gasWei }: Workflow) =>
  toJson({ ended, review, execution, attempt, round, gasWei })

test('a good trade goes through the six stages and ends executed', () => {
  const { workflow, tasks } = run(always, 100, [])
  expect(stagesOf(tasks.values())).toEqual([
    'inspect/1/0',
    'plan/1/0',
    'build/1/0',
    'validate/1/0',
    'execute/1/0',
    'review/1/0',
  ])
  expect(workflow.ended).toMatchObject({ state: 'executed', reason: null })
  expect(workflow.review?.exact).toBe(true)
})

test('a workflow survives being written to shared memory and read back', () => {
  const { workflow } = run(answering({ 'execute/1/0': { outcome: 'failed' } }), 100, [])
  expect(WorkflowSchema.parse(toJson(workflow))).toEqual(workflow)
})

test('delivered twice, in any order, every trade ends as it would have ended in order', () => {
  fc.assert(
    fc.property(answersArbitrary, headArbitrary, choicesArbitrary, (answers, head, choices) => {
      const inOrder = run(answers, head, [])
      const shuffled = run(answers, head, choices)
      expect(outcomeOf(shuffled.workflow)).toEqual(outcomeOf(inOrder.workflow))
      expect([...shuffled.tasks].map(([id, task]) => [id, task.payload])).toEqual(
        [...inOrder.tasks].map(([id, task]) => [id, task.payload]),
      )
    }),
    { numRuns: 500 },
  )
})

test('every trade ends, once, with at most one successful execution and one attempt more than there were mends', () => {
  fc.assert(
    fc.property(answersArbitrary, headArbitrary, choicesArbitrary, fc.boolean(), (answers, head, choices, live) => {
      const { workflow, tasks, ends } = run(answers, head, choices, live)
      expect(workflow.ended).not.toBeNull()
      expect(ends).toBe(1)
      const executions = [...tasks.values()].filter((task) => task.stage === 'execute')
      const succeeded = executions.filter((task) => answers(task).outcome === 'ok')
      expect(succeeded.length).toBeLessThanOrEqual(1)
      expect(workflow.ended?.state === 'executed').toBe(succeeded.length === 1)
      expect(new Set(stagesOf(executions)).size).toBe(executions.length)
      expect(workflow.attempt).toBe(workflow.mends + 1)
      expect(workflow.mends).toBeLessThanOrEqual(MAX_MENDS)
      if (!live) expect(executions).toEqual([])
    }),
    { numRuns: 500 },
  )
})

test('attempt n + 1 is never executed before attempt n is known to have failed', () => {
  fc.assert(
    fc.property(answersArbitrary, choicesArbitrary, (answers, choices) => {
      const { tasks } = run(answers, null, choices)
      const executions = [...tasks.values()].filter((task) => task.stage === 'execute')
      for (const later of executions.filter((task) => task.attempt > 1)) {
        const before = executions.filter((task) => task.attempt === later.attempt - 1)
        expect(before.every((task) => ['failed', 'stale'].includes(answers(task).outcome))).toBe(true)
      }
    }),
    { numRuns: 300 },
  )
})

test('a stale verdict is validated again and is not a mend', () => {
  const { workflow, tasks } = run(answering({ 'execute/1/0': { outcome: 'stale' } }), 100, [])
  expect(stagesOf(tasks.values()).slice(3)).toEqual([
    'validate/1/0',
    'execute/1/0',
    'validate/1/1',
    'execute/1/1',
    'review/1/1',
  ])
  expect(workflow.mends).toBe(0)
})

test('a verdict that is stale for as many rounds as the plan has blocks ends the trade', () => {
  const { workflow } = run(answering({ execute: { outcome: 'stale' } }), 100, [])
  expect(workflow.ended?.state).toBe('refused')
  expect(workflow.ended?.reason).toMatch(/stale 9 times/)
})

test('a failed verdict is mended twice and then given up', () => {
  const { workflow, tasks } = run(answering({ validate: { outcome: 'failed' } }), 100, [])
  expect(stagesOf(tasks.values()).filter((stage) => stage.startsWith('mend'))).toEqual(['mend/1/0', 'mend/2/0'])
  expect(workflow.ended).toMatchObject({ state: 'refused', reason: expect.stringContaining('mended 2 times') })
})

test('what was reverted is reviewed, whatever ends the trade afterwards, and its gas is counted', () => {
  const { workflow, tasks } = run(answering({ execute: { outcome: 'failed' }, mend: { outcome: 'refused' } }), 100, [])
  expect(stagesOf(tasks.values()).at(-1)).toBe('review/1/0')
  expect(workflow.ended?.state).toBe('reverted')
  expect(workflow.gasWei).toBe(3n * 10n ** 14n)
})

test('a mended trade that succeeds carries the gas of both attempts', () => {
  const { workflow } = run(answering({ 'execute/1/0': { outcome: 'failed' } }), 100, [])
  expect(workflow.ended?.state).toBe('executed')
  expect(workflow.gasWei).toBe(6n * 10n ** 14n)
})

test('what was missed has nothing to review', () => {
  const answers = answering({ execute: { outcome: 'failed', status: 'missed' }, mend: { outcome: 'refused' } })
  const { workflow, tasks } = run(answers, 100, [])
  expect(stagesOf(tasks.values())).not.toContain('review/1/0')
  expect(workflow.ended?.state).toBe('refused')
})

test('past expiresBlock nothing before mend is begun, and a revert is still mended and reviewed', () => {
  expect(run(always, 109, []).workflow.ended).toMatchObject({ state: 'expired' })
  let workflow = begin({ opportunity: opportunity(), traceparent: 't', live: true }).workflow
  const next = (answer: Answer, head: number): void => {
    workflow = advance(workflow, answerTo(pending(workflow)[0] as Task, answer), head).workflow
  }
  for (const _stage of ['inspect', 'plan', 'build', 'validate']) next(OK, 108)
  next({ outcome: 'failed' }, 200)
  expect(workflow.stage).toBe('mend')
  next(OK, 200)
  expect(workflow.stage).toBe('review')
  next(OK, 200)
  expect(workflow.ended?.state).toBe('reverted')
})

test('without --live a trade ends after validation, and nothing is executed', () => {
  const { workflow, tasks } = run(always, 100, [], false)
  expect(workflow.ended?.state).toBe('dry_run')
  expect(stagesOf(tasks.values())).not.toContain('execute/1/0')
})

test('a result that is malformed refuses the trade in words', () => {
  const { workflow, emits } = begin({ opportunity: opportunity(), traceparent: 't', live: true })
  const result = { ...answerTo(emits[0] as Task, OK), payload: { contracts: 'none' } }
  expect(advance(workflow, result, 100).ended).toMatchObject({
    state: 'refused',
    reason: expect.stringContaining('malformed'),
  })
})

test('a result of another chain instance is ignored', () => {
  const { workflow, emits } = begin({ opportunity: opportunity(), traceparent: 't', live: true })
  const step = advance(workflow, { ...answerTo(emits[0] as Task, OK), chainInstance: 'other' }, 100)
  expect(step).toMatchObject({ kind: 'ignored', emits: [] })
})
