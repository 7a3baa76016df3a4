import type { PoolInfo } from '../../../src/protocol/chain.ts'
import type { LogLevel } from '../../../src/protocol/records.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { Tracked } from '../pools/logs.ts'
import { differences } from './difference.ts'
import type { Members } from './members.ts'
import type { Changes, MarketState } from './state.ts'

/** Which pools of a state have changed since somebody was told, and which must be read from the chain before anything is said. */
export class Mending {
  readonly #members: Members
  readonly #state: MarketState
  readonly #log: (level: LogLevel, message: string) => void
  readonly #doubtful = new Set<Hex>()
  readonly #changed = new Set<Hex>()
  #mended = 0

  constructor(members: Members, state: MarketState, log: (level: LogLevel, message: string) => void) {
    this.#members = members
    this.#state = state
    this.#log = log
  }

  get mended(): number {
    return this.#mended
  }

  get changed(): ReadonlySet<Hex> {
    return this.#changed
  }

  get inDoubt(): boolean {
    return this.#doubtful.size > 0
  }

  /** @param trusted what is in doubt after this step is in doubt until it is read; else it will be taken back */
  note({ changed, doubtful }: Changes, trusted: boolean): void {
    for (const pool of changed) this.#changed.add(pool)
    if (trusted) for (const pool of doubtful) this.#doubtful.add(pool)
  }

  /** Everything was read anew. */
  forget(): void {
    this.#doubtful.clear()
    this.#changed.clear()
  }

  /** Reads what is in doubt. @returns all that changed since the last call */
  async settle(): Promise<Set<Hex>> {
    for (const pool of [...this.#doubtful]) {
      await this.reread(pool)
      this.#doubtful.delete(pool)
    }
    const changed = new Set(this.#changed)
    this.#changed.clear()
    return changed
  }

  /** Compares a pool with the chain, at the block the state is at. @returns what differs, as text; undefined: it is not there */
  async compare(info: PoolInfo): Promise<{ read: Tracked | undefined; found: string[] }> {
    const known = this.#state.get(info.address)
    const [read] = await this.#members.read([info], this.#state.head)
    return { read, found: known && read ? differences(known, read) : [] }
  }

  /** Puts a pool right by the chain. @returns whether it differed */
  async reread(pool: Hex): Promise<boolean> {
    const info = this.#members.get(pool)
    if (!info) return false
    const { read, found } = await this.compare(info)
    if (!read) {
      this.#log('info', `pool ${pool} (${info.dex}) is not on this branch of the chain: it is left out`)
      this.#members.drop(pool)
      this.#state.remove(pool)
      this.#changed.add(pool)
      return true
    }
    const known = this.#state.get(pool) !== undefined
    if (known && found.length === 0) return false
    if (known) {
      this.#mended += 1
      const { number } = this.#state.head
      this.#log('warn', `pool ${pool} (${info.dex}) was wrong at block ${number} and is mended: ${found.join(', ')}`)
    }
    this.put(read)
    return true
  }

  put(tracked: Tracked): void {
    this.#state.replace(tracked)
    this.#changed.add(tracked.pool.address)
  }
}
