import { FleetError } from '../../../src/protocol/errors.ts'
import type { Limits } from '../../../src/protocol/limits.ts'
import type { Verdict } from '../../../src/protocol/trade.ts'
import { RpcError } from '../../dex/rpc/error.ts'
import { type Fees, firstBid } from '../../dex/trade/fees.ts'
import { readAccount, signAndHash, type TxFields } from '../../dex/trade/send.ts'
import type { StageResult } from '../../role.ts'
import { headNumber, reached } from '../chain-reads.ts'
import { readHalt } from './halt.ts'
import { amend, type Intent, liveOf, noteRefusal, readIntent, type SignedAs, type Standing } from './intent.ts'
import { missed } from './judge.ts'
import { holdsUp, type Slot } from './nonces.ts'
import type { HeldOutbox } from './outbox.ts'
import { close, gone, resultOf, type Sending, settle } from './settling.ts'
import type { Held, Signer } from './signer.ts'

/** Money leaves here and in upkeep.ts, and nowhere else. */

type Result = StageResult<'execute'>

export interface Signing extends Sending {
  held: Held
  signer: Signer
  limits: Limits
  verdict: Verdict
  /** The newest block when the rules were asked, and the most that the next one may ask per gas. */
  block: number
  nextBaseFeeWei: bigint
}

/**
 * Signs and sends what was just decided, and waits for what comes of it. Whatever is thrown leaves an intent behind that
 * the next delivery resolves, and a nonce that the key's next holder looks after.
 */
export async function sendOnce(decided: Standing, signing: Signing): Promise<Result> {
  // Nonces are given out and used in one order.
  const sent = await signing.signer.exclusive(() => placeAndSend(decided, signing))
  if (!sent) return resolveAgain(decided, signing)
  return sent.intent.state === 'sent' ? settle(sent, signing) : resultOf(sent.intent)
}

/** Undefined: another has changed the intent. */
async function placeAndSend(decided: Standing, signing: Signing): Promise<Standing | undefined> {
  const { memory, held, signer, chain } = signing
  const outbox = await signer.outbox(held, chain.chainInstance)
  if (outbox.dirty) await resync(outbox, signing)
  const { opportunityId, attempt, deadlineBlock } = decided.intent
  const slot = await outbox.place({ opportunityId, attempt, deadlineBlock })
  if (!(await signer.renew(held))) throw lostKey()
  const signed = await signTrade(slot, signing)
  if ('halted' in signed) {
    await outbox.release(slot)
    return amend(memory, decided, { state: 'refused', outcome: 'refused', reason: signed.halted })
  }
  const recorded = await amend(memory, decided, { state: 'sent', nonce: slot.nonce, signed: [signed] })
  if (!recorded) {
    await outbox.release(slot)
    return undefined
  }
  return handOver(recorded, signed, { ...signing, outbox, slot })
}

async function resync(outbox: HeldOutbox, { rpc, held }: Pick<Signing, 'rpc' | 'held'>): Promise<void> {
  const { nonce: latest, pendingNonce: pending } = await readAccount(rpc, held.address)
  await outbox.resync({ latest, pending })
}

/** Halt is read last, immediately before the signature. */
async function signTrade(slot: Slot, signing: Signing): Promise<SignedAs | { halted: string }> {
  const { held, verdict, limits, chain, nextBaseFeeWei, block, memory } = signing
  const fees = firstBid(nextBaseFeeWei, limits.maxFeePerGasWei, chain.sandbox)
  const { to, data, gasLimit } = verdict.tx
  const fields = { chainId: held.chainId, nonce: slot.nonce, to, data, gasLimit }
  const { reason } = await readHalt(memory)
  return reason === undefined ? signAs('trade', held, fields, fees, block) : { halted: reason }
}

export function signAs(
  kind: SignedAs['kind'],
  held: Held,
  fields: Omit<TxFields, keyof Fees>,
  fees: Fees,
  block: number,
): SignedAs {
  const { hash, raw } = signAndHash(held.key, { ...fields, ...fees })
  return { kind, hash, raw, ...fees, block, refused: null }
}

/**
 * Hands over what is recorded. What the node refuses is noted and its nonce freed; it may be in a block all the same (where
 * it was sent before): the receipt will tell.
 */
export async function handOver(
  standing: Standing,
  tx: SignedAs,
  { submitter, memory, outbox, slot }: Pick<Sending, 'submitter' | 'memory'> & { outbox: HeldOutbox; slot: Slot },
): Promise<Standing> {
  const { intent } = standing
  try {
    await submitter.submit(tx, tx.kind === 'trade' ? intent.deadlineBlock : undefined)
    return standing
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown
    const noted = await noteRefusal(memory, intent, tx.hash, thrown.message)
    outbox.dirty = true
    const allRefused = noted?.intent.signed.every(({ refused }) => refused !== null)
    if (allRefused && !holdsUp(outbox.box, slot)) await outbox.release(slot)
    return noted ?? standing
  }
}

/** Finds out what became of an attempt that was decided before. Never signs. */
export async function resolve(standing: Standing, sending: Sending): Promise<Result> {
  const { intent } = standing
  switch (intent.state) {
    case 'refused':
    case 'done':
      return resultOf(intent)
    case 'sent':
      await sendAgain(intent, sending)
      return settle(standing, sending)
    case 'intended': {
      // Whoever intended it may be about to sign: until the deadline it is his.
      await reached(sending.rpc, intent.deadlineBlock, sending.signal)
      const now = await readIntent(sending.memory, intent.opportunityId, intent.attempt)
      if (now?.version !== standing.version) return resolveAgain(standing, sending)
      const execution = missed(intent, 'it was intended but not sent')
      const done = await close(standing, { execution, blockHash: null }, sending)
      return done ? resultOf(done.intent) : resolveAgain(standing, sending)
    }
    default:
      return intent.state satisfies never
  }
}

/** It may have been recorded and not sent. Past its deadline it could only burn gas: then it is left. */
async function sendAgain(intent: Intent, { rpc, submitter }: Sending): Promise<void> {
  const last = liveOf(intent)
  if (!last || (last.kind === 'trade' && (await headNumber(rpc)) >= intent.deadlineBlock)) return
  try {
    await submitter.submit(last, last.kind === 'trade' ? intent.deadlineBlock : undefined)
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown
    // Mined already, or outbid: its receipt tells.
  }
}

async function resolveAgain({ intent }: Standing, sending: Sending): Promise<Result> {
  const standing = await readIntent(sending.memory, intent.opportunityId, intent.attempt)
  if (standing) return resolve(standing, sending)
  throw gone(intent)
}

const lostKey = (): FleetError =>
  new FleetError('conflict', 'the lease of the signing key was lost before anything was signed', {
    remedy: 'Nothing: the attempt counts as missed, and is mended.',
    transient: true,
  })
