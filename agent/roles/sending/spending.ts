import { z } from 'zod'
import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { update } from '../../../src/ports/memory/typed.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import { RawSchema } from '../../../src/protocol/schemas.ts'
import type { Raw } from '../../../src/protocol/units.ts'

/** One executor's loans of one token in the last hour. Key `spending/CHAIN/ADDRESS/TOKEN`. */
export const SpendingSchema = z.array(z.object({ id: z.string(), atMs: z.number(), inputRaw: RawSchema }))
export type Spending = z.output<typeof SpendingSchema>

const HOUR_MS = 3_600_000

/** Adds a loan to the hour's unless that would pass the limit. The same id is added once. */
export function spend(
  spending: Spending,
  loan: { id: string; atMs: number; inputRaw: Raw },
  limits: Pick<Limits, 'maxInputRawPerHour'>,
): { spending: Spending } | { refused: string } {
  const hour = spending.filter((spent) => spent.atMs > loan.atMs - HOUR_MS)
  if (hour.some((spent) => spent.id === loan.id)) return { spending: hour }
  const sum = hour.reduce((total, spent) => total + spent.inputRaw, 0n)
  const { maxInputRawPerHour: max } = limits
  if (sum + loan.inputRaw > max) {
    return { refused: `limit maxInputRawPerHour: ${sum} of this hour and ${loan.inputRaw} are above ${max}` }
  }
  return { spending: [...hour, loan] }
}

/**
 * Reserves a loan before it is signed; what is not sent in the end stays reserved for its hour.
 * @returns the rule and its figures when it is refused
 */
export async function reserve(
  memory: SharedMemory,
  key: string,
  loan: { id: string; inputRaw: Raw },
  limits: Pick<Limits, 'maxInputRawPerHour'>,
): Promise<string | undefined> {
  let refused: string | undefined
  await update(
    memory,
    key,
    SpendingSchema,
    (current) => {
      const next = spend(current ?? [], { ...loan, atMs: Date.now() }, limits)
      refused = 'refused' in next ? next.refused : undefined
      return 'refused' in next ? undefined : next.spending
    },
    HOUR_MS,
  )
  return refused
}
