import { z } from 'zod'
import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { listAs, readAs } from '../../src/ports/memory/typed.ts'
import { decode } from '../../src/protocol/json.ts'
import { keys } from '../../src/protocol/keys.ts'
import { HashSchema } from '../../src/protocol/schemas.ts'
import { type BusMessage, stageRole, type Task, type TaskResult } from '../../src/protocol/task.ts'
import { knownHead, knownInstance } from '../chain-access.ts'
import type { Role, RoleContext, RoleTool } from '../role.ts'
import { advance, begin, pending, type Step } from '../workflow.ts'
import { type Workflow, WorkflowSchema } from '../workflow-state.ts'
import { keepBooks } from './bookkeeping.ts'
import { unlockPools } from './pool-locks.ts'
import { tradeView } from './trade-view.ts'

/** A workflow whose results stop coming is forgotten after this; one that ended stays a while, to know its duplicates. */
const RUNNING_TTL_MS = 3_600_000
const ENDED_TTL_MS = 600_000
const REMEMBERED = 256

export function coordinator(): Role {
  return {
    name: 'coordinator',
    tools: [workflowStatus],
    prefetch: 8,
    receive: (message, { redelivered }, context) => receive(message, redelivered, context),
  }
}

/**
 * Moves one trade by one message. The workflow is changed by compare-and-set first; what follows from it is done after,
 * and is done again when this very message is delivered again, so that dying between the two loses nothing. A copy of it
 * does nothing: whoever has the first one does it or gives that one back, and copies would beget copies at each stage.
 */
async function receive(message: BusMessage, redelivered: boolean, context: RoleContext): Promise<void> {
  if (message.kind === 'task') return context.log('warn', `dropped ${message.taskId}: a coordinator takes no task`)
  const of = message.kind === 'result' ? message.chainInstance : message.opportunity.chainInstance
  const instance = await knownInstance(context.memory)
  if (instance !== null && of !== instance) {
    return context.log('info', `dropped a ${message.kind} of another chain instance (${of})`)
  }
  if (message.kind === 'opportunity') return open(message, redelivered, context)
  await apply(message, redelivered, context)
}

type Found = Extract<BusMessage, { kind: 'opportunity' }>

async function open({ opportunity, traceparent }: Found, redelivered: boolean, context: RoleContext): Promise<void> {
  const key = keys.workflow(opportunity.id)
  const first = begin({ opportunity, traceparent, live: context.live })
  const opened = await context.memory.write(key, first.workflow, { expect: 'absent', ttlMs: RUNNING_TTL_MS })
  if (opened !== undefined) {
    remember(context.memory, key, { workflow: first.workflow, version: opened })
    return publish(first.emits, context)
  }
  const known = redelivered ? await readAs(context.memory, key, WorkflowSchema) : undefined
  if (known && known.value.applied === null) await publish(pending(known.value), context)
}

async function apply(result: TaskResult, redelivered: boolean, context: RoleContext): Promise<void> {
  const step = await move(result, context)
  if (!step || step.kind === 'ignored' || (step.kind === 'repeated' && !redelivered))
    return context.log('debug', `ignored ${result.taskId}: it is not awaited`)
  // What was executed uses its pools no more; its review does not need them.
  if (step.ended || (result.stage === 'execute' && result.outcome === 'ok')) await freePools(step, context)
  await publish(step.emits, context)
  await keepBooks(step, result, context)
  if (!step.ended) return
  context.log('info', `${step.ended.state}${step.ended.reason ? `: ${step.ended.reason}` : ''}: ${result.workflowId}`)
}

async function freePools({ workflow }: Step, { memory }: RoleContext): Promise<void> {
  if (workflow.plan) await unlockPools(memory, workflow.id, workflow.opportunity)
}

/** Changes the workflow until no other coordinator came between; undefined when there is none (any more). */
async function move(result: TaskResult, { memory }: RoleContext): Promise<Step | undefined> {
  const key = keys.workflow(result.workflowId)
  const head = await knownHead(memory, result.chainInstance)
  for (;;) {
    const current = await readWorkflow(memory, key)
    if (!current) return undefined
    const step = advance(current.workflow, result, head)
    if (step.kind !== 'applied') return step
    const ttlMs = step.ended ? ENDED_TTL_MS : RUNNING_TTL_MS
    const version = await memory.write(key, step.workflow, { expect: current.version, ttlMs })
    if (version === undefined) continue
    remember(memory, key, { workflow: step.workflow, version })
    return step
  }
}

interface Versioned {
  workflow: Workflow
  version: number
}

/** What was written here last of each trade under way, by memory and key. */
const written = new WeakMap<SharedMemory, Map<string, Versioned>>()

/** It is read each time; what nobody has changed since it was written here need not be checked again. */
async function readWorkflow(memory: SharedMemory, key: string): Promise<Versioned | undefined> {
  const entry = await memory.read(key)
  if (!entry) return undefined
  const known = written.get(memory)?.get(key)
  if (known?.version === entry.version) return known
  return { workflow: decode(WorkflowSchema, entry.value, `${key} in shared memory`), version: entry.version }
}

function remember(memory: SharedMemory, key: string, now: Versioned): void {
  const all = written.get(memory) ?? new Map<string, Versioned>()
  written.set(memory, all)
  all.delete(key)
  if (!now.workflow.ended) all.set(key, now)
  const [oldest] = all.keys()
  if (all.size > REMEMBERED && oldest !== undefined) all.delete(oldest)
}

async function publish(tasks: readonly Task[], { bus }: RoleContext): Promise<void> {
  for (const task of tasks) await bus.publish(stageRole(task.stage), task)
}

const workflowStatus: RoleTool = {
  name: 'workflow_status',
  description:
    'Where a trade is: its stage, attempt, figures and why. Without an id all that are remembered, newest last.',
  input: z.object({ id: HashSchema.optional() }),
  async run({ id }, { memory, chain }) {
    const known = id
      ? [await readAs(memory, keys.workflow(id as string), WorkflowSchema)].flatMap((w) => (w ? [w.value] : []))
      : await listAs(memory, keys.workflows, WorkflowSchema)
    const { tokens } = await chain()
    const sorted = known.toSorted((a, b) => a.startedAt.localeCompare(b.startedAt))
    return { workflows: sorted.slice(-100).map((workflow) => tradeView(workflow, tokens)) }
  },
}
