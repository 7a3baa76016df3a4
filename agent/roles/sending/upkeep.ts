import { type Fees, fillingBid, raisedBid, tradeCeiling } from '../../dex/trade/fees.ts'
import { type Intent, liveOf, type SignedAs } from './intent.ts'

/** What is to be done about a nonce that was given out and is not used up. */
export type Upkeep =
  | { kind: 'wait' }
  /** The node has lost it. */
  | { kind: 'resend'; tx: SignedAs }
  /** The same call at a higher fee. */
  | { kind: 'replace'; tx: SignedAs; fees: Fees }
  /** Nothing, to oneself, in place of it. */
  | { kind: 'cancel'; fees: Fees }
  /** Nothing waits with this nonce: it may be given away again. */
  | { kind: 'release' }

export interface Waiting {
  intent: Pick<Intent, 'signed' | 'deadlineBlock'>
  /** The newest block. */
  head: number
  nextBaseFeeWei: bigint
  /** limits.maxFeePerGasWei */
  ceilingWei: bigint
  /** Whether the last transaction that was not refused waits somewhere, as far as can be seen. */
  known: boolean
  /** A later nonce of the key cannot be mined before this one. */
  holdsUp: boolean
}

/** A cancel is raised when it has missed more blocks than this. */
const CANCEL_PATIENCE = 1

const wait = { kind: 'wait' } as const
const release = { kind: 'release' } as const

/**
 * A trade that is still wanted, and that a block went by without, is replaced at a higher fee; past its deadline it is
 * cancelled, since it could only burn gas and hold up what comes behind it. A gap is filled when something waits behind it.
 */
export function upkeepOf(waiting: Waiting): Upkeep {
  const { intent, head } = waiting
  const live = liveOf(intent)
  if (!live) return filled(waiting)
  if (live.kind === 'cancel') return cancelling(live, waiting)
  return head < intent.deadlineBlock ? wanted(live, waiting) : tooLate(live, waiting)
}

function filled({ holdsUp, nextBaseFeeWei, ceilingWei }: Waiting): Upkeep {
  return holdsUp ? { kind: 'cancel', fees: fillingBid(nextBaseFeeWei, ceilingWei) } : release
}

function wanted(live: SignedAs, { head, known, nextBaseFeeWei, ceilingWei }: Waiting): Upkeep {
  // A node may drop what bids too little: then the same bytes would be refused.
  if (!known && live.maxFeePerGasWei >= nextBaseFeeWei) return { kind: 'resend', tx: live }
  if (head <= live.block) return wait
  const fees = raisedBid(live, nextBaseFeeWei, tradeCeiling(ceilingWei))
  return fees ? { kind: 'replace', tx: live, fees } : wait
}

function tooLate(live: SignedAs, waiting: Waiting): Upkeep {
  if (!waiting.known) return filled(waiting)
  const fees = raisedBid(live, waiting.nextBaseFeeWei, waiting.ceilingWei)
  return fees ? { kind: 'cancel', fees } : wait
}

function cancelling(live: SignedAs, { known, holdsUp, head, nextBaseFeeWei, ceilingWei }: Waiting): Upkeep {
  if (!known) return holdsUp ? { kind: 'resend', tx: live } : release
  if (head <= live.block + CANCEL_PATIENCE) return wait
  const fees = raisedBid(live, nextBaseFeeWei, ceilingWei)
  return fees ? { kind: 'cancel', fees } : wait
}
