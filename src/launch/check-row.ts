import type { Prerequisite } from '../client/launcher.ts'
import { asFleetError } from '../protocol/errors.ts'

export interface Found {
  detail: string
  /** Undefined: ok. */
  state?: Prerequisite['state']
  remedy?: string
}

/** One line of `check`. What is thrown is what it lacks. */
export async function row(
  name: string,
  look: () => Promise<Found>,
  fault: Prerequisite['state'] = 'fail',
): Promise<Prerequisite> {
  try {
    const found = await look()
    return { name, state: found.state ?? 'ok', detail: found.detail, remedy: found.remedy ?? null }
  } catch (thrown) {
    const error = asFleetError(thrown)
    return { name, state: fault, detail: error.message, remedy: error.remedy }
  }
}
