import { z } from 'zod'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { readAs, update } from '../../../src/ports/memory/typed.ts'
import { Timestamp, WeiSchema } from '../../../src/protocol/schemas.ts'
import type { Execution } from '../../../src/protocol/trade.ts'
import { ExecutionSchema } from '../../../src/protocol/trade.ts'
import { type Wei, wei } from '../../../src/protocol/units.ts'

const EntrySchema = z.object({
  /** OPPORTUNITY/ATTEMPT */
  id: z.string(),
  /** Day, UTC: `2026-01-31`. */
  day: z.string(),
  status: ExecutionSchema.shape.status,
  /** Gas of what earned nothing. */
  lostWei: WeiSchema,
  /** Profit less gas of what was executed; may be below 0. */
  earnedWei: WeiSchema,
  /** `at` of the halt record that stood then. */
  under: Timestamp.nullable(),
})

/**
 * What one executor's key lost and earned. Key `account/CHAIN/ADDRESS`; it does not end by itself. The last executions one
 * by one, so that a correction replaces what it corrects; those before them as sums.
 */
export const AccountSchema = z.object({
  entries: z.array(EntrySchema),
  folded: z.object({
    day: z.string(),
    lossWei: WeiSchema,
    failures: z.int(),
    under: Timestamp.nullable(),
  }),
})
export type Account = z.output<typeof AccountSchema>
type Entry = Account['entries'][number]

/** More than may be short of final at once. */
const ENTRIES_KEPT = 256

export const emptyAccount = (): Account => ({
  entries: [],
  folded: { day: '', lossWei: wei(0n), failures: 0, under: null },
})

export const dayOf = (at: string): string => at.slice(0, 10)

export function entryOf(execution: Execution, under: string | null): Entry {
  const { status, gasWei, profitWei } = execution
  const executed = status === 'executed'
  return {
    id: `${execution.opportunityId}/${execution.attempt}`,
    day: dayOf(execution.at),
    status,
    lostWei: executed ? wei(0n) : gasWei,
    earnedWei: executed ? wei(profitWei - gasWei) : wei(0n),
    under,
  }
}

/** The account with an execution in it. The same one again replaces what was there, and keeps its place and day. */
export function booked(account: Account, entry: Entry): Account {
  const known = account.entries.find(({ id }) => id === entry.id)
  if (known) {
    const { day, under } = known
    return { ...account, entries: account.entries.map((each) => (each === known ? { ...entry, day, under } : each)) }
  }
  const [oldest, ...rest] = [...account.entries, entry]
  if (oldest === undefined || rest.length < ENTRIES_KEPT) return { ...account, entries: [...account.entries, entry] }
  return { entries: rest, folded: fold(account.folded, oldest) }
}

function fold(folded: Account['folded'], entry: Entry): Account['folded'] {
  const before = folded.day === entry.day ? folded.lossWei : 0n
  const streak = folded.under === entry.under ? folded.failures : 0
  return {
    day: entry.day,
    lossWei: wei(before + entry.lostWei - entry.earnedWei),
    failures: streakAfter(streak, entry),
    under: entry.under,
  }
}

/** A revert adds one, a success ends it, and what was missed says nothing. */
function streakAfter(streak: number, { status }: Entry): number {
  if (status === 'reverted') return streak + 1
  return status === 'executed' ? 0 : streak
}

/** Gas lost by what earned nothing, less what was earned, on a day (UTC); 0 when more was earned. */
export function lossOf(account: Account, day: string): Wei {
  const before = account.folded.day === day ? account.folded.lossWei : 0n
  const entries = account.entries.filter((entry) => entry.day === day)
  const loss = entries.reduce<bigint>((sum, entry) => sum + entry.lostWei - entry.earnedWei, before)
  return wei(loss > 0n ? loss : 0n)
}

/**
 * Reverts one after another, up to the last execution, since an operator last halted or resumed.
 * @param under `at` of the halt record that stands now
 */
export function failuresInARow(account: Account, under: string | null): number {
  const before = account.folded.under === under ? account.folded.failures : 0
  return account.entries.filter((entry) => entry.under === under).reduce(streakAfter, before)
}

/** May be repeated. */
export async function book(memory: SharedMemory, key: string, entry: Entry): Promise<void> {
  await update(memory, key, AccountSchema, (account) => booked(account ?? emptyAccount(), entry))
}

export async function readAccountOf(memory: SharedMemory, key: string): Promise<Account> {
  return (await readAs(memory, key, AccountSchema))?.value ?? emptyAccount()
}
