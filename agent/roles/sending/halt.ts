import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import { asFleetError } from '../../../src/protocol/errors.ts'
import { HaltSchema } from '../../../src/protocol/fleet.ts'
import { keys } from '../../../src/protocol/keys.ts'

export interface HaltState {
  /** Why no trade may be signed now; undefined when one may. */
  reason: string | undefined
  /** When it was last set or cleared; null where that cannot be told. */
  at: string | null
}

/** What cannot be read, or was never written, counts as set. */
export async function readHalt(memory: SharedMemory): Promise<HaltState> {
  try {
    const halt = (await readAs(memory, keys.halt, HaltSchema))?.value
    if (!halt) return { reason: 'halted: the switch is absent, which counts as set', at: null }
    return { reason: halt.set ? `halted: ${halt.reason ?? `set by ${halt.by}`}` : undefined, at: halt.at }
  } catch (thrown) {
    return { reason: `halted: the switch cannot be read (${asFleetError(thrown).message})`, at: null }
  }
}
