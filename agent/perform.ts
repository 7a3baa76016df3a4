import { asFleetError, FleetError } from '../src/protocol/errors.ts'
import { decode, toJson } from '../src/protocol/json.ts'
import {
  type Outcome,
  STAGE_INPUT,
  type Stage,
  type StageInput,
  type Task,
  type TaskResult,
} from '../src/protocol/task.ts'
import { knownHead } from './chain-access.ts'
import type { RoleContext, StageHandler, StageResult, StageTask } from './role.ts'
import { isDroppable } from './workflow.ts'

type AnyHandler = { [S in Stage]: StageHandler<S> }[Stage]

/**
 * Does one task. What the stage refuses, and what goes wrong for good, is a result too.
 * @throws FleetError that is transient: the task must go back to the queue
 */
export async function perform(
  handler: AnyHandler,
  task: Task,
  context: RoleContext,
  signal: AbortSignal,
): Promise<TaskResult> {
  const started = Date.now()
  const done = await outcomeOf(handler, task, context, signal)
  const { payload: _input, ...envelope } = task
  return {
    ...envelope,
    kind: 'result',
    agent: context.id,
    outcome: done.outcome,
    reason: done.reason ?? null,
    payload: toJson(done.output) ?? null,
    startedAt: new Date(started).toISOString(),
    ms: Date.now() - started,
  }
}

interface Done {
  outcome: Outcome
  reason?: string
  output?: unknown
}

async function outcomeOf(handler: AnyHandler, task: Task, context: RoleContext, signal: AbortSignal): Promise<Done> {
  if (!handler.decidesExpiry && isDroppable(task.stage)) {
    const head = await knownHead(context.memory, task.chainInstance)
    if (head !== null && head > task.expiresBlock) {
      return { outcome: 'expired', reason: `block ${head} is past ${task.expiresBlock}` }
    }
  }
  try {
    const input = decode(STAGE_INPUT[handler.stage], task.payload, `the task ${task.taskId}`)
    const { opportunityId, attempt, expiresBlock } = task
    return await runStage(handler, { input, opportunityId, attempt, expiresBlock, signal }, context)
  } catch (thrown) {
    if (thrown instanceof FleetError && thrown.transient) throw thrown
    const error = asFleetError(thrown)
    context.log('error', `${task.stage} of ${task.opportunityId}: ${error.stack ?? error.message}`)
    return { outcome: 'refused', reason: error.message }
  }
}

/** Calls a handler with the input of its own stage; the pair is checked by the caller (STAGE_INPUT of the handler's stage). */
export function runStage(
  handler: AnyHandler,
  task: Omit<StageTask<Stage>, 'input'> & { input: unknown },
  context: RoleContext,
): Promise<StageResult<Stage>> {
  const run = handler.run as (task: StageTask<Stage>, context: RoleContext) => Promise<StageResult<Stage>>
  return run(task as StageTask<Stage>, context)
}

/** Which trade an input belongs to, for a call that came without a task around it. */
export function subjectOf<S extends Stage>(
  stage: S,
  input: StageInput[S],
): { opportunityId: `0x${string}`; attempt: number; expiresBlock: number } {
  const subject: { [K in Stage]: (input: StageInput[K]) => ReturnType<typeof subjectOf> } = {
    inspect: (o) => ({ opportunityId: o.id, attempt: 1, expiresBlock: o.expiresBlock }),
    plan: ({ opportunity: o }) => ({ opportunityId: o.id, attempt: 1, expiresBlock: o.expiresBlock }),
    build: (plan) => plan,
    validate: ({ plan }) => plan,
    execute: ({ tx }) => tx.plan,
    mend: ({ plan }) => plan,
    review: ({ verdict }) => verdict.tx.plan,
  }
  const { opportunityId, attempt, expiresBlock } = subject[stage](input)
  return { opportunityId, attempt, expiresBlock }
}
