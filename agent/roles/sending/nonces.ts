import { z } from 'zod'
import { AddressSchema, HashSchema } from '../../../src/protocol/schemas.ts'
import type { Hex } from '../../../src/protocol/units.ts'

/** What a nonce was given to. It stays until the nonce is used up by a final block. */
export const SlotSchema = z.object({
  nonce: z.int(),
  opportunityId: HashSchema,
  attempt: z.int(),
  deadlineBlock: z.int(),
  /** Nothing with this nonce waits anywhere: it may be given away again. */
  released: z.boolean(),
})
export type Slot = z.output<typeof SlotSchema>

/**
 * The nonces of one key. Key `outbox/CHAIN/ADDRESS`. Nonces are given out by the holder of the key's lease alone: `fence`
 * is the token of the last one that did.
 */
export const OutboxSchema = z.object({
  chainInstance: z.string(),
  address: AddressSchema,
  fence: z.int(),
  next: z.int(),
  /** Every nonce below it is used up for good. */
  floor: z.int(),
  slots: z.array(SlotSchema),
})
export type Outbox = z.output<typeof OutboxSchema>

/** What a node counts of an account: mined, and mined or waiting in its pool. Both may lag, and fall in a reorg. */
export interface Counts {
  latest: number
  pending: number
}

export const emptyOutbox = (of: Pick<Outbox, 'chainInstance' | 'address' | 'fence'>): Outbox => ({
  chainInstance: of.chainInstance,
  address: of.address,
  fence: of.fence,
  next: 0,
  floor: 0,
  slots: [],
})

/** Gives the next nonce to a trade. */
export function placed(box: Outbox, trade: Omit<Slot, 'nonce' | 'released'>): { box: Outbox; nonce: number } {
  const nonce = box.next
  return { nonce, box: { ...box, next: nonce + 1, slots: [...box.slots, { ...trade, nonce, released: false }] } }
}

/**
 * The next nonce anew: after everything that is used up, that waits in the node's pool, and that was given out and not
 * released. A node that lags cannot lower it below what waits or is final.
 */
export function resynced(box: Outbox, { latest, pending }: Counts): Outbox {
  const given = box.slots.filter(({ released }) => !released).map(({ nonce }) => nonce + 1)
  return { ...box, next: Math.max(box.floor, latest, pending, ...given) }
}

type SlotName = Pick<Slot, 'nonce' | 'attempt'> & { opportunityId: Hex }
const isSlot = (name: SlotName) => (slot: Slot) =>
  slot.nonce === name.nonce && slot.opportunityId === name.opportunityId && slot.attempt === name.attempt

/** Nothing of this trade waits with its nonce any more. The last nonce given out is free at once. */
export function released(box: Outbox, name: SlotName): Outbox {
  const slots = box.slots.map((slot) => (isSlot(name)(slot) ? { ...slot, released: true } : slot))
  const isLast = name.nonce === box.next - 1
  return { ...box, slots, next: isLast ? name.nonce : box.next }
}

/** The slot is done with for good. @param used true when its nonce was used up in a final block */
export function closed(box: Outbox, name: SlotName, used: boolean): Outbox {
  const slots = box.slots.filter((slot) => !isSlot(name)(slot))
  return used ? { ...box, slots, floor: Math.max(box.floor, name.nonce + 1) } : { ...box, slots }
}

/** True when a later nonce of this key waits: it cannot be mined before this one is. */
export const holdsUp = (box: Outbox, { nonce }: Pick<Slot, 'nonce'>): boolean =>
  box.slots.some((slot) => !slot.released && slot.nonce > nonce)
