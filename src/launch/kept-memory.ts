import type { StateFolder } from '../client/state.ts'
import type { Persist } from '../ports/memory/persist.ts'
import { keys, MONEY_KEYS } from '../protocol/keys.ts'
import type { ChainChoice } from './chain-choice.ts'

const MEMORY_FILE = 'memory.journal'

/** The sandbox dies with this process, and with it all that its transactions moved. */
export const persistOf = (state: StateFolder, { url }: Pick<ChainChoice, 'url'>): Persist => ({
  file: state.file(MEMORY_FILE),
  keys: [keys.wanted, keys.halt],
  prefixes: url === null ? [] : MONEY_KEYS,
})
