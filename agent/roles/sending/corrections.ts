import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { update } from '../../../src/ports/memory/typed.ts'
import { FleetEventSchema, type NewFleetEvent } from '../../../src/protocol/event.ts'
import { decode } from '../../../src/protocol/json.ts'
import { keys, streams } from '../../../src/protocol/keys.ts'
import { NO_TOTALS, type Totals, TotalsSchema } from '../../../src/protocol/snapshot.ts'
import type { Execution } from '../../../src/protocol/trade.ts'
import { wei } from '../../../src/protocol/units.ts'
import { tell } from '../../agent-record.ts'

/** What the books were told of one attempt, and what the chain says now. */
export interface Correction {
  /** From 1; or NEVER_COUNTED. */
  number: number
  before: Execution
  after: Execution
}

/** Number of the correction that stands for the trade itself, where that was lost before anybody counted it. */
export const NEVER_COUNTED = 0

const CORRECTIONS_KEPT = 512
/** How far back in the events a repeated correction looks for itself. */
const LOOK_BACK = 500

export const correctionId = ({ number, after }: Correction): string =>
  `${after.opportunityId}/${after.attempt}/${number}`

type Counted = 'executed' | 'reverted' | 'refused'

/** As which a trade that ended with this execution is counted. */
const countedAs = ({ status }: Execution): Counted =>
  status === 'executed' || status === 'reverted' ? status : 'refused'

/**
 * The sums with a correction in them; undefined when it is in them already. Only differences are added: so it may come
 * before the trade itself is counted. Counts of trades change with `executed` alone: another attempt may have decided the rest.
 */
export function corrected(sums: Totals | undefined, correction: Correction): Totals | undefined {
  const id = correctionId(correction)
  const now = sums ?? NO_TOTALS
  const known = now.corrected ?? []
  if (known.includes(id)) return undefined
  const { before, after } = correction
  return {
    ...now,
    ...countsAfter(now, correction),
    profitWei: wei(now.profitWei + after.profitWei - before.profitWei),
    gasWei: wei(now.gasWei + after.gasWei - before.gasWei),
    corrected: [...known, id].slice(-CORRECTIONS_KEPT),
  }
}

function countsAfter(now: Totals, { number, before, after }: Correction): Partial<Totals> {
  const [was, is] = [countedAs(before), countedAs(after)]
  if (number === NEVER_COUNTED) return { [is]: now[is] + 1 }
  if (was === is || (was !== 'executed' && is !== 'executed')) return {}
  return { [was]: now[was] - 1, [is]: now[is] + 1 }
}

/** Corrects the sums and says so. May be repeated: each correction counts once and is said once. */
export async function bookCorrection(memory: SharedMemory, correction: Correction): Promise<void> {
  const { after } = correction
  await update(memory, keys.totals(after.chainInstance), TotalsSchema, (sums) => corrected(sums, correction))
  if (!(await saidBefore(memory, correction))) await tell(memory, eventOf(correction))
}

const eventOf = ({ number, before, after }: Correction): NewFleetEvent => ({
  type: 'execution_corrected',
  id: after.opportunityId,
  attempt: after.attempt,
  correction: number,
  was: before.status,
  status: after.status,
  tx: after.tx,
  block: after.block,
  profitWei: after.profitWei,
  gasWei: after.gasWei,
  profitDeltaWei: wei(after.profitWei - before.profitWei),
  gasDeltaWei: wei(after.gasWei - before.gasWei),
  reason: after.reason,
})

async function saidBefore(memory: SharedMemory, { number, after }: Correction): Promise<boolean> {
  const entries = await memory.stream(streams.events).read({ last: LOOK_BACK })
  return entries.some(({ value }) => {
    const event = decode(FleetEventSchema, value, 'an event')
    if (event.type !== 'execution_corrected' || event.id !== after.opportunityId) return false
    return event.attempt === after.attempt && event.correction === number
  })
}
