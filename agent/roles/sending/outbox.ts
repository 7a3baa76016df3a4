import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { readAs } from '../../../src/ports/memory/typed.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { keys } from '../../../src/protocol/keys.ts'
import type { Address } from '../../../src/protocol/units.ts'
import { type Counts, emptyOutbox, type Outbox, OutboxSchema, placed, released, resynced, type Slot } from './nonces.ts'

export interface OutboxOf {
  chainId: number
  chainInstance: string
  address: Address
  /** Token of the key's lease. */
  fence: number
}

/**
 * The nonces of a key that is held: what is in shared memory, and a copy that saves reading it. Whoever holds the key later
 * finds every nonce that was given out; one who has lost it cannot give out another.
 */
export class HeldOutbox {
  /** True when the node's counts must be asked before the next nonce is given out. */
  dirty = true
  #freed = 0
  #box: Outbox
  #version: number
  readonly #memory: SharedMemory
  readonly #of: OutboxOf

  private constructor(memory: SharedMemory, of: OutboxOf, box: Outbox, version: number) {
    this.#memory = memory
    this.#of = of
    this.#box = box
    this.#version = version
  }

  /** @throws FleetError `conflict` (transient) when a later holder of the key was there already */
  static async open(memory: SharedMemory, of: OutboxOf): Promise<HeldOutbox> {
    const outbox = new HeldOutbox(memory, of, emptyOutbox(of), 0)
    await outbox.#read()
    await outbox.change((box) => ({ ...box, fence: of.fence }))
    return outbox
  }

  get box(): Outbox {
    return this.#box
  }

  /** How many nonces were freed so far. */
  get freed(): number {
    return this.#freed
  }

  async resync(counts: Counts): Promise<void> {
    this.dirty = false
    if (resynced(this.#box, counts).next !== this.#box.next) await this.change((box) => resynced(box, counts))
  }

  /** Gives out the next nonce. */
  async place(trade: Omit<Slot, 'nonce' | 'released'>): Promise<Slot> {
    let slot: Slot | undefined
    await this.change((box) => {
      const next = placed(box, trade)
      slot = { ...trade, nonce: next.nonce, released: false }
      return next.box
    })
    if (!slot) throw lost(this.#of.address)
    return slot
  }

  async release(slot: Slot): Promise<void> {
    this.dirty = true
    this.#freed += 1
    await this.change((box) => released(box, slot))
  }

  /** Others close slots meanwhile, and nothing else. */
  async change(to: (box: Outbox) => Outbox): Promise<void> {
    const key = keys.outbox(this.#of.chainId, this.#of.address)
    for (;;) {
      const next = to(this.#box)
      const expect = this.#version === 0 ? 'absent' : this.#version
      const version = await this.#memory.write(key, next, { expect })
      if (version !== undefined) {
        this.#box = next
        this.#version = version
        return
      }
      await this.#read()
    }
  }

  async #read(): Promise<void> {
    const found = await readAs(this.#memory, keys.outbox(this.#of.chainId, this.#of.address), OutboxSchema)
    this.#version = found?.version ?? 0
    const isOurs = found?.value.chainInstance === this.#of.chainInstance
    if (found && isOurs && found.value.fence > this.#of.fence) throw lost(this.#of.address)
    this.#box = found && isOurs ? found.value : emptyOutbox(this.#of)
  }
}

const lost = (address: Address): FleetError =>
  new FleetError('conflict', `another executor holds the key of ${address} by now`, {
    remedy: 'Nothing: the attempt is taken up where it stands.',
    transient: true,
  })
