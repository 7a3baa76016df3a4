import type { Limits } from '../../../src/protocol/limits.ts'
import { type GasUnits, gasUnits, type Hex } from '../../../src/protocol/units.ts'
import { fieldsOf, readAccount, readHead } from '../../dex/trade/send.ts'
import { nextBaseFee } from '../chain-reads.ts'
import { eachOf } from './every-head.ts'
import { readHalt } from './halt.ts'
import { amend, readIntent, type SignedAs, type Standing } from './intent.ts'
import { missed } from './judge.ts'
import { holdsUp, type Slot } from './nonces.ts'
import type { HeldOutbox } from './outbox.ts'
import { handOver, signAs } from './sending.ts'
import { close, mayWait, type Sending } from './settling.ts'
import type { Held, Signer } from './signer.ts'
import { type Upkeep, upkeepOf } from './upkeep.ts'

export interface Keeping extends Sending {
  held: Held
  signer: Signer
  limits: Limits
}

interface Kept extends Keeping {
  outbox: HeldOutbox
  slot: Slot
  /** The newest block. */
  block: number
  nextBaseFeeWei: bigint
}

/** Looks after the nonces that the held key has given out and that are not used up: each once. Nothing else is signed meanwhile. */
export function keepNonces(keeping: Keeping): Promise<void> {
  return keeping.signer.exclusive(async () => {
    const { rpc, held, signer, chain } = keeping
    const outbox = await signer.outbox(held, chain.chainInstance)
    if (outbox.box.slots.length === 0) return
    const { freed } = outbox
    const head = await readHead(rpc)
    const { nonce: latest } = await readAccount(rpc, held.address)
    const at = { block: Number(head.number), nextBaseFeeWei: nextBaseFee(head) }
    // The last first: what waits behind a nonce that is free must be known to be free as well.
    const open = outbox.box.slots.filter((slot) => !slot.released && slot.nonce >= latest)
    await eachOf(
      open.toSorted((a, b) => b.nonce - a.nonce),
      (slot) => keepOne({ ...keeping, ...at, outbox, slot }),
    )
    await resyncAfter(freed, outbox, keeping)
  })
}

/**
 * By what the node counts now: what was freed may have been mined since it was looked for. It may also be in the block that
 * is being made, where a node knows it neither as waiting nor as mined: then it is asked again before the next one is given out.
 */
async function resyncAfter(freed: number, outbox: HeldOutbox, { rpc, held }: Keeping): Promise<void> {
  const { nonce: latest, pendingNonce: pending } = await readAccount(rpc, held.address)
  await outbox.resync({ latest, pending })
  if (outbox.freed !== freed) outbox.dirty = true
}

async function keepOne(kept: Kept): Promise<void> {
  const { memory, outbox, slot, rpc, submitter } = kept
  const standing = await readIntent(memory, slot.opportunityId, slot.attempt)
  if (!standing) return outbox.release(slot)
  if (standing.intent.state === 'intended') return abandon(standing, kept)
  const known = await mayWait(standing.intent, kept.block, rpc, submitter)
  const step = upkeepOf({
    intent: standing.intent,
    head: kept.block,
    nextBaseFeeWei: kept.nextBaseFeeWei,
    ceilingWei: kept.limits.maxFeePerGasWei,
    known,
    holdsUp: holdsUp(outbox.box, slot),
  })
  await act(step, standing, kept)
}

/** Whoever gave the nonce to it died before he signed, or can no longer record what he signs. */
async function abandon(standing: Standing, kept: Kept): Promise<void> {
  const execution = missed(standing.intent, 'the executor that intended it did not live to sign it')
  const done = await close(standing, { execution, blockHash: null }, kept)
  if (!done) return
  const step = upkeepOf({
    intent: done.intent,
    head: kept.block,
    nextBaseFeeWei: kept.nextBaseFeeWei,
    ceilingWei: kept.limits.maxFeePerGasWei,
    known: false,
    holdsUp: holdsUp(kept.outbox.box, kept.slot),
  })
  await act(step, done, kept)
}

async function act(step: Upkeep, standing: Standing, kept: Kept): Promise<void> {
  switch (step.kind) {
    case 'wait':
      return
    case 'release':
      return kept.outbox.release(kept.slot)
    case 'resend':
      await handOver(standing, step.tx, kept)
      return
    case 'replace':
      return replace(step, standing, kept)
    case 'cancel':
      return cancel(step, standing, kept)
    default:
      return step satisfies never
  }
}

/** Halt forbids it like any other signature of a trade: it is read last. */
async function replace(step: Upkeep & { kind: 'replace' }, standing: Standing, kept: Kept): Promise<void> {
  const { maxFeePerGasWei: _fee, maxPriorityFeePerGasWei: _priority, ...fields } = fieldsOf(step.tx.raw)
  if (!(await kept.signer.renew(kept.held))) return
  const { reason } = await readHalt(kept.memory)
  if (reason !== undefined) return
  await record(signAs('trade', kept.held, fields, step.fees, kept.block), standing, kept)
}

/** A cancel is signed under halt too: it pays its gas and does nothing else, so it only takes risk away. */
async function cancel(step: Upkeep & { kind: 'cancel' }, standing: Standing, kept: Kept): Promise<void> {
  const { held, slot, rpc } = kept
  const { address, chainId } = held
  const fields = { chainId, nonce: slot.nonce, to: address, data: '0x' as Hex, gasLimit: await gasOfNothing(rpc, held) }
  if (!(await kept.signer.renew(held))) return
  await record(signAs('cancel', held, fields, step.fees, kept.block), standing, kept)
}

/** 21,000, and more where a chain asks for its L1 data in gas. */
async function gasOfNothing(rpc: Sending['rpc'], { address }: Held): Promise<GasUnits> {
  return gasUnits(BigInt(await rpc.request<Hex>('eth_estimateGas', [{ from: address, to: address }])))
}

/** Recorded first, then sent. Where another has changed the intent meanwhile, the next look decides anew. */
async function record(tx: SignedAs, standing: Standing, kept: Kept): Promise<void> {
  const { intent } = standing
  const nonce = kept.slot.nonce
  const recorded = await amend(kept.memory, standing, { nonce, signed: [...intent.signed, tx] })
  if (recorded) await handOver(recorded, tx, kept)
}
