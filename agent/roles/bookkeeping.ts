import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs, update } from '../../src/ports/memory/typed.ts'
import { type FleetEvent, FleetEventSchema, type NewFleetEvent } from '../../src/protocol/event.ts'
import { decode } from '../../src/protocol/json.ts'
import { keys, streams } from '../../src/protocol/keys.ts'
import type { HistoryRecord } from '../../src/protocol/records.ts'
import { now } from '../../src/protocol/schemas.ts'
import { NO_TOTALS, type ProfitPoint, type Totals, TotalsSchema } from '../../src/protocol/snapshot.ts'
import type { TaskResult } from '../../src/protocol/task.ts'
import { wei } from '../../src/protocol/units.ts'
import { tell } from '../agent-record.ts'
import type { RoleContext } from '../role.ts'
import type { Step } from '../workflow.ts'
import type { Workflow } from '../workflow-state.ts'
import { tradeEntry } from './ledger.ts'
import { taskView, tradeView } from './trade-view.ts'

const COUNTED_KEPT = 512
const PROFIT_KEPT = 2_000
/** How far back a repeated result looks for what it has said already. */
const LOOK_BACK = 500

/**
 * Writes down what a result led to: events, history, sums. May be repeated: history knows its ids, the sums know the
 * trades they have counted, and a repeated result looks in the streams first.
 */
export async function keepBooks(step: Step, result: TaskResult, context: RoleContext): Promise<void> {
  const { memory, history } = context
  const { workflow } = step
  const once = step.kind === 'repeated'
  const records: HistoryRecord[] = [{ kind: 'task', id: result.taskId, at: result.startedAt, body: taskView(result) }]
  await say(memory, stageEvent(result), once)
  if (step.ended) {
    const chain = await context.chain()
    records.push({ kind: 'trade', id: workflow.id, at: step.ended.at, body: tradeView(workflow, chain.tokens) })
    const entry = tradeEntry(workflow, chain)
    if (entry) records.push({ kind: 'ledger', id: workflow.id, at: entry.at, body: entry })
    await countTrade(memory, workflow, once)
  }
  await history.append(records)
}

const stageEvent = (result: TaskResult): NewFleetEvent => ({
  type: 'trade',
  id: result.workflowId,
  stage: result.stage,
  outcome: result.outcome,
  attempt: result.attempt,
  agent: result.agent,
  reason: result.reason,
  ms: result.ms,
})

async function countTrade(memory: SharedMemory, workflow: Workflow, once: boolean): Promise<void> {
  const totals = await update(memory, keys.totals(workflow.chainInstance), TotalsSchema, (sums) =>
    addTo(sums, workflow),
  )
  const execution = workflow.mined?.execution
  if (!totals || execution?.status !== 'executed' || execution.tx === null || execution.block === null) return
  const { profitWei, predictedWei } = execution
  const { gasWei } = workflow
  await addProfit(
    memory,
    { at: now(), id: workflow.id, profitWei: wei(profitWei - gasWei), totalWei: netOf(totals) },
    once,
  )
  const exact = workflow.review?.exact ?? false
  const { tx, block } = execution
  await say(memory, { type: 'execution', id: workflow.id, tx, block, profitWei, predictedWei, gasWei, exact }, once)
}

/** What the contract kept minus all gas. */
export const netOf = (totals: Totals) => wei(totals.profitWei - totals.gasWei)

/** The sums with an ended trade in them; undefined when it is in them already. `profitWei` is before gas. */
export function addTo(sums: Totals | undefined, { id, ended, mined, gasWei }: Workflow): Totals | undefined {
  const before = sums ?? NO_TOTALS
  if (!ended || before.counted.includes(id)) return undefined
  const counts = ended.state === 'dry_run' ? {} : { [ended.state]: before[ended.state] + 1 }
  return {
    ...before,
    ...counts,
    profitWei: wei(before.profitWei + (mined?.execution.profitWei ?? 0n)),
    gasWei: wei(before.gasWei + gasWei),
    counted: [...before.counted, id].slice(-COUNTED_KEPT),
  }
}

/** Sums of this chain instance; zero before the first trade. */
export async function readTotals(memory: SharedMemory, chainInstance: string): Promise<Totals> {
  return (await readAs(memory, keys.totals(chainInstance), TotalsSchema))?.value ?? NO_TOTALS
}

async function say(memory: SharedMemory, event: NewFleetEvent, once: boolean): Promise<void> {
  if (once && (await saidBefore(memory, event))) return
  await tell(memory, event)
}

async function saidBefore(memory: SharedMemory, event: NewFleetEvent): Promise<boolean> {
  const entries = await memory.stream(streams.events).read({ last: LOOK_BACK })
  return entries.some(({ value }) => sameEvent(decode(FleetEventSchema, value, 'an event'), event))
}

function sameEvent(a: FleetEvent, b: NewFleetEvent): boolean {
  if (a.type === 'execution') return b.type === 'execution' && a.id === b.id
  if (a.type !== 'trade' || b.type !== 'trade') return false
  return a.id === b.id && a.stage === b.stage && a.attempt === b.attempt && a.outcome === b.outcome
}

async function addProfit(memory: SharedMemory, point: ProfitPoint, once: boolean): Promise<void> {
  const stream = memory.stream(streams.profit)
  if (once) {
    const entries = await stream.read({ last: LOOK_BACK })
    if (entries.some(({ value }) => (value as { id?: unknown }).id === point.id)) return
  }
  await stream.append(point, PROFIT_KEPT)
}
