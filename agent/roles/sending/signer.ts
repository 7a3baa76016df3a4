import { z } from 'zod'
import type { Lease, SharedMemory } from '../../../src/ports/memory/memory.ts'
import { listAs } from '../../../src/ports/memory/typed.ts'
import { asFleetError, FleetError } from '../../../src/protocol/errors.ts'
import { parseReplicaId } from '../../../src/protocol/fleet.ts'
import { keys, leases } from '../../../src/protocol/keys.ts'
import { AddressSchema, now, Timestamp } from '../../../src/protocol/schemas.ts'
import type { Address, Hex } from '../../../src/protocol/units.ts'
import { addressOfKey } from '../../dex/trade/send.ts'
import type { RoleContext } from '../../role.ts'
import { HeldOutbox } from './outbox.ts'

/** Who signs with which address. Key `signer/CHAIN/ADDRESS`, with a time to live. */
export const SignerSchema = z.object({ address: AddressSchema, agent: z.string(), at: Timestamp })

/** An address that an executor holds now: the contract lets it call, so simulations are made from it. */
export async function anySigner(memory: SharedMemory, chainId: number): Promise<Address> {
  const [first] = await listAs(memory, keys.signers(chainId), SignerSchema)
  if (first) return first.address
  throw new FleetError('agent_unreachable', 'no executor holds a key, so there is nobody to simulate for', {
    remedy: 'Start an executor: arbdeck scale executor=1.',
    transient: true,
  })
}

export interface Held {
  key: Hex
  address: Address
  chainId: number
  lease: Lease
}

const LEASE_MS = 10_000
const RENEW_MS = 2_500

/**
 * One executor's key, held by a fenced lease on chain and address: replica n takes key n, or, where there are fewer
 * keys than replicas, any that is free. Without one the executor stands by and keeps looking.
 */
export class Signer {
  #held: Held | undefined
  #turn: Promise<unknown> = Promise.resolve()
  readonly #context: RoleContext
  /** Each process its own: after a crash the lease must end before the next one may sign. */
  readonly #owner: string
  #outbox: { held: Held; chainInstance: string; open: Promise<HeldOutbox> } | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(context: RoleContext) {
    this.#context = context
    this.#owner = `${context.id}/${crypto.randomUUID()}`
  }

  /** Begins to look for a key; returns at once. */
  start(): void {
    this.#context.setStandby('waits for a key of its own')
    const beat = async (): Promise<void> => {
      await this.#look().catch((thrown: unknown) => this.#stand(asFleetError(thrown).message))
      if (!this.#stopped) this.#timer = setTimeout(beat, this.#held ? RENEW_MS : RENEW_MS / 5)
    }
    void beat()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    const held = this.#held
    this.#held = undefined
    await held?.lease.release()
  }

  get held(): Held | undefined {
    return this.#held
  }

  /** True when nobody else can have taken the key since. */
  async renew(held: Held): Promise<boolean> {
    return this.#held === held && (await held.lease.renew(LEASE_MS))
  }

  /** The nonces of the key that is held, on one chain instance. @throws FleetError `conflict` (transient) */
  outbox(held: Held, chainInstance: string): Promise<HeldOutbox> {
    const known = this.#outbox
    if (known?.held === held && known.chainInstance === chainInstance) return known.open
    const { chainId, address, lease } = held
    const of = { chainId, address, chainInstance, fence: lease.token }
    const opened = { held, chainInstance, open: HeldOutbox.open(this.#context.memory, of) }
    opened.open.catch(() => {
      if (this.#outbox === opened) this.#outbox = undefined
    })
    this.#outbox = opened
    return opened.open
  }

  /** One at a time: a nonce is given out and used by nobody in between. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work)
    this.#turn = next.catch(() => undefined)
    return next
  }

  async #look(): Promise<void> {
    const { chainId } = await this.#context.chain()
    const held = this.#held
    if (held && held.chainId === chainId && (await held.lease.renew(LEASE_MS))) return this.#show(held)
    this.#held = undefined
    if (held) await held.lease.release()
    const found = await this.#acquire(chainId)
    if (this.#stopped) return found?.lease.release()
    if (!found) return this.#stand('waits for a key of its own: all are held by other executors')
    this.#held = found
    await this.#show(found)
    this.#context.setStandby(null)
  }

  async #acquire(chainId: number): Promise<Held | undefined> {
    const all = (await this.#context.keys?.()) ?? []
    if (all.length === 0) throw noKeys()
    const own = all[(parseReplicaId(this.#context.id)?.replica ?? 1) - 1]
    for (const key of own ? [own] : all) {
      const address = addressOfKey(key)
      const lease = await this.#context.memory.lease(leases.signer(chainId, address), this.#owner, LEASE_MS)
      if (lease) return { key, address, chainId, lease }
    }
    return undefined
  }

  async #show({ chainId, address }: Held): Promise<void> {
    const value = { address, agent: this.#context.id, at: now() }
    await this.#context.memory.write(keys.signer(chainId, address), value, { ttlMs: LEASE_MS })
  }

  #stand(why: string): void {
    this.#held = undefined
    if (!this.#stopped) this.#context.setStandby(why)
  }
}

const noKeys = (): FleetError =>
  new FleetError('config_invalid', 'no executor key was given to this fleet', {
    remedy: 'Pass --key-file with one private key a line; in the sandbox `up` makes them.',
  })
