import { decode, toJson } from '../src/protocol/json.ts'
import {
  STAGE_OUTPUT,
  type Stage,
  type StageOutput,
  type Task,
  type TaskResult,
  taskIdOf,
} from '../src/protocol/task.ts'
import type { Opportunity } from '../src/protocol/trade.ts'
import { wei } from '../src/protocol/units.ts'
import type { End, Workflow } from './workflow-state.ts'

export const MAX_MENDS = 2

/** A trade whose first block is past expiresBlock is dropped before these; mend and review are never dropped. */
export const isDroppable = (stage: Stage): boolean => stage !== 'mend' && stage !== 'review'

export interface Step {
  workflow: Workflow
  /** `repeated`: this result led to where the workflow is; its tasks are emitted again. `ignored`: old or of another trade. */
  kind: 'applied' | 'repeated' | 'ignored'
  emits: Task[]
  ended?: End
}

export function begin(found: { opportunity: Opportunity; traceparent: string; live: boolean }): Step {
  const { opportunity } = found
  const workflow: Workflow = {
    id: opportunity.id,
    chainInstance: opportunity.chainInstance,
    traceparent: found.traceparent,
    opportunity,
    live: found.live,
    expiresBlock: opportunity.expiresBlock,
    stage: 'inspect',
    attempt: 1,
    round: 0,
    mends: 0,
    applied: null,
    inspection: null,
    plan: null,
    built: null,
    verdict: null,
    execution: null,
    mined: null,
    review: null,
    gasWei: wei(0n),
    reason: null,
    startedAt: opportunity.at,
    timeline: [],
    ended: null,
  }
  return { workflow, kind: 'applied', emits: pending(workflow) }
}

/** What a workflow waits for, as tasks to publish (again): at most one. */
export function pending(workflow: Workflow): Task[] {
  if (workflow.ended) return []
  const { id, chainInstance, stage, attempt, round, expiresBlock, traceparent } = workflow
  const at = { workflowId: id, stage, attempt, round }
  return [
    {
      kind: 'task',
      taskId: taskIdOf(at),
      ...at,
      opportunityId: id,
      chainInstance,
      expiresBlock,
      traceparent,
      payload: toJson(payloadOf(workflow)),
    },
  ]
}

function payloadOf(workflow: Workflow): unknown {
  const { opportunity, inspection, plan, built, verdict, execution, mined } = workflow
  const payloads: Record<Stage, unknown> = {
    inspect: opportunity,
    plan: { opportunity, inspection },
    build: plan,
    validate: built,
    execute: verdict,
    mend: { plan, verdict, execution },
    review: mined,
  }
  return payloads[workflow.stage]
}

/**
 * Where a result leads. A result is applied once; the same again repeats what it led to; any other that is not awaited
 * is ignored, so that duplicates and reorderings change nothing.
 *
 * @param head newest block known; null when none is
 */
export function advance(workflow: Workflow, result: TaskResult, head: number | null): Step {
  const id = taskIdOf(result)
  if (result.chainInstance !== workflow.chainInstance) return { workflow, kind: 'ignored', emits: [] }
  if (id === workflow.applied) return settled(workflow, 'repeated')
  const awaited = taskIdOf({ ...workflow, workflowId: workflow.id })
  if (workflow.ended || id !== awaited) return { workflow, kind: 'ignored', emits: [] }
  const { stage, attempt, startedAt, ms } = result
  const timeline = [...workflow.timeline, { stage, attempt, startedAt, ms }]
  return settled(expire(follow({ ...workflow, applied: id, timeline }, result), result, head), 'applied')
}

function settled(workflow: Workflow, kind: 'applied' | 'repeated'): Step {
  const step = { workflow, kind, emits: pending(workflow) }
  return workflow.ended ? { ...step, ended: workflow.ended } : step
}

function follow(workflow: Workflow, result: TaskResult): Workflow {
  try {
    return FOLLOW[result.stage](result.reason ? { ...workflow, reason: result.reason } : workflow, result)
  } catch (malformed) {
    return conclude(workflow, result, 'refused', malformed instanceof Error ? malformed.message : String(malformed))
  }
}

type Follow = (workflow: Workflow, result: TaskResult) => Workflow

/** Where each stage leads by its outcome. Whatever is not named ends the trade. */
const FOLLOW: Record<Stage, Follow> = {
  inspect: (w, r) =>
    r.outcome === 'ok' ? { ...w, inspection: output(r, 'inspect'), stage: 'plan' } : concludeBy(w, r),
  plan: (w, r) => (r.outcome === 'ok' ? toBuild(w, r, output(r, 'plan')) : concludeBy(w, r)),
  build: (w, r) => (r.outcome === 'ok' ? { ...w, built: output(r, 'build'), stage: 'validate' } : concludeBy(w, r)),
  validate: afterValidate,
  execute: afterExecute,
  mend: (w, r) =>
    r.outcome === 'ok'
      ? toBuild({ ...w, attempt: w.attempt + 1, round: 0, mends: w.mends + 1 }, r, output(r, 'mend'))
      : concludeBy(w, r),
  review: (w, r) => {
    const reviewed = r.outcome === 'ok' ? { ...w, review: output(r, 'review') } : w
    return conclude(reviewed, r, 'refused', reviewed.reason)
  },
}

function toBuild(w: Workflow, r: TaskResult, plan: StageOutput['plan']): Workflow {
  if (plan.attempt !== w.attempt || plan.opportunityId !== w.id) {
    return conclude(w, r, 'refused', `the plan is for attempt ${plan.attempt} of ${plan.opportunityId}`)
  }
  return { ...w, plan, built: null, verdict: null, execution: null, stage: 'build' }
}

function afterValidate(w: Workflow, r: TaskResult): Workflow {
  if (r.outcome === 'stale') return validateAgain(w, r)
  if (r.outcome !== 'ok' && r.outcome !== 'failed') return concludeBy(w, r)
  const verdict = output(r, 'validate')
  const judged: Workflow = { ...w, verdict, execution: null }
  if (r.outcome === 'failed' || !verdict.pass) return mendOrEnd(judged, r)
  return w.live ? { ...judged, stage: 'execute' } : conclude(judged, r, 'dry_run', 'validated; not sent without --live')
}

function afterExecute(w: Workflow, r: TaskResult): Workflow {
  if (r.outcome === 'stale') return validateAgain(w, r)
  if (r.outcome !== 'ok' && r.outcome !== 'failed') return concludeBy(w, r)
  const execution = output(r, 'execute')
  const { verdict } = w
  const done: Workflow = { ...w, execution, gasWei: wei(w.gasWei + execution.gasWei) }
  switch (execution.status) {
    case 'executed':
      return { ...done, mined: verdict && { verdict, execution }, stage: 'review' }
    case 'reverted':
      return mendOrEnd({ ...done, mined: verdict && { verdict, execution } }, r)
    case 'missed':
      return mendOrEnd(done, r)
    case 'dry_run':
      return conclude(done, r, 'dry_run', execution.reason)
    default:
      return execution.status satisfies never
  }
}

/** The head moved on: no mend. Each round costs at least a block, so there are never more than blocks to live. */
function validateAgain(w: Workflow, r: TaskResult): Workflow {
  const rounds = Math.max(1, w.expiresBlock - w.opportunity.block)
  if (w.round >= rounds) return conclude(w, r, 'refused', `the verdict went stale ${w.round + 1} times`)
  return { ...w, stage: 'validate', round: w.round + 1, verdict: null }
}

function mendOrEnd(w: Workflow, r: TaskResult): Workflow {
  if (w.mends < MAX_MENDS) return { ...w, stage: 'mend' }
  return conclude(w, r, 'refused', `mended ${w.mends} times; the last attempt: ${r.reason ?? 'not good enough'}`)
}

const concludeBy = (w: Workflow, r: TaskResult): Workflow =>
  conclude(w, r, r.outcome === 'expired' ? 'expired' : 'refused', r.reason)

/** Ends the trade. What reached a block is reviewed first, and decides how the trade ended, whatever else is said. */
function conclude(w: Workflow, r: TaskResult, state: End['state'], reason: string | null): Workflow {
  if (w.mined && r.stage !== 'review') return { ...w, reason, stage: 'review' }
  const at = new Date(Date.parse(r.startedAt) + r.ms).toISOString()
  const mined = w.mined && (w.mined.execution.status === 'executed' ? 'executed' : 'reverted')
  return { ...w, reason, ended: { state: mined ?? state, reason, at } }
}

function expire(w: Workflow, r: TaskResult, head: number | null): Workflow {
  if (w.ended || head === null || head <= w.expiresBlock || !isDroppable(w.stage)) return w
  return conclude(w, r, 'expired', `block ${head} is past ${w.expiresBlock}, the last one it may be sent in`)
}

const output = <S extends Stage>(result: TaskResult, stage: S): StageOutput[S] =>
  decode(STAGE_OUTPUT[stage], toJson(result.payload), `the result of ${stage}`) as StageOutput[S]
