import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import { listAs, update } from '../../../src/ports/memory/typed.ts'
import { keys } from '../../../src/protocol/keys.ts'
import type { Execution } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import { type RpcBlock, type RpcReceipt, toHex } from '../../dex/chain-types.ts'
import { receiptOfAny } from '../../dex/trade/send.ts'
import { headNumber } from '../chain-reads.ts'
import { bookCorrection, NEVER_COUNTED } from './corrections.ts'
import { eachOf } from './every-head.ts'
import { amend, hashesOf, readIntent, type Standing, standsNow } from './intent.ts'
import { differs, judged, missed } from './judge.ts'
import { closed, type Outbox, OutboxSchema, type Slot } from './nonces.ts'
import { bookExecution, cameTo, close, LATE_BLOCKS, type Sending } from './settling.ts'

/** What was freed and never mined is forgotten so many blocks after its deadline and finality. */
const FORGET_BLOCKS = 32

interface Watching extends Sending {
  head: number
}

/**
 * Watches every nonce that was given out until a final block has used it up: what is reorged out, moved or mined late is
 * judged again, and its figures corrected. All of it stands in shared memory: whoever watches next goes on with it.
 */
export async function watchAll(sending: Sending): Promise<void> {
  const { memory, chain, rpc } = sending
  const boxes = await listAs(memory, keys.outboxes(chain.chainId), OutboxSchema)
  const head = await headNumber(rpc)
  const slots = boxes
    .filter(({ chainInstance }) => chainInstance === chain.chainInstance)
    .flatMap((box) => box.slots.map((slot) => ({ box, slot })))
  await eachOf(slots, ({ box, slot }) => watchOne(box, slot, { ...sending, head }))
}

async function watchOne(box: Outbox, slot: Slot, watching: Watching): Promise<void> {
  const { memory, rpc, head } = watching
  const standing = await readIntent(memory, slot.opportunityId, slot.attempt)
  const shut = (used: boolean) => shutSlot(memory, watching.chain.chainId, box, slot, used)
  if (!standing || standing.intent.signed.length === 0) {
    return slot.released ? shut(false) : undefined
  }
  if (standing.intent.state !== 'done') return settleOrphan(standing, watching)
  const now = await finishBooking(standing, watching)
  const { intent } = now
  const receipt = await receiptOfAny(rpc, hashesOf(intent))
  if (receipt) {
    await correctByReceipt(now, receipt, watching)
    return isFinal(Number(receipt.blockNumber), watching) ? shut(true) : undefined
  }
  if (await correctGone(now, watching)) return
  if (standsNow(intent)?.block !== null) return
  if (await usedUpForGood(box, slot, watching)) return shut(true)
  const forgotten = slot.deadlineBlock + watching.chain.finalityBlocks + FORGET_BLOCKS
  return slot.released && head > forgotten ? shut(false) : undefined
}

const isFinal = (block: number, { head, chain }: Watching): boolean => head - block >= chain.finalityBlocks

/**
 * Its executor and its task are gone: what it came to is recorded all the same. Where its trade has gone too, with a host
 * that was killed, nobody else will ever count it: then it enters the books as a correction of nothing.
 */
async function settleOrphan(standing: Standing, watching: Watching): Promise<void> {
  const { intent } = standing
  if (intent.state !== 'sent' || watching.head <= intent.deadlineBlock + LATE_BLOCKS) return
  const found = await cameTo(intent, watching)
  if (!found) return
  const { execution } = found
  const before = missed(intent, 'its trade was lost before it was counted')
  const isNothing = !differs({ ...before, tx: execution.tx }, execution)
  if (isNothing || (await watching.memory.read(keys.workflow(intent.opportunityId)))) {
    await close(standing, found, watching)
    return
  }
  const corrected = { number: NEVER_COUNTED, execution, before }
  const done = await amend(watching.memory, standing, { state: 'done', ...found, corrected })
  if (done) await finishBooking(done, watching)
}

async function correctByReceipt(standing: Standing, receipt: RpcReceipt, watching: Watching): Promise<void> {
  const stands = standsNow(standing.intent)
  if (!stands || standing.intent.blockHash === receipt.blockHash) return
  const execution = await judged(watching.rpc, standing.intent, receipt)
  await correct(standing, stands, { execution, blockHash: receipt.blockHash }, watching)
}

/** @returns true when its block is gone, or the node cannot tell yet: there is nothing to conclude from now */
async function correctGone(standing: Standing, watching: Watching): Promise<boolean> {
  const { intent } = standing
  const stands = standsNow(intent)
  if (!stands || stands.block === null) return false
  const block = await watching.rpc.request<RpcBlock | null>('eth_getBlockByNumber', [toHex(stands.block), false])
  // Its block is there and its receipt not: a node that lags behind itself.
  if (block?.hash === intent.blockHash) return true
  if (watching.head < intent.deadlineBlock) return true
  const why = `block ${stands.block}, which held it, is no longer on the chain, and its deadline ${intent.deadlineBlock} is past`
  await correct(standing, stands, { execution: missed(intent, why), blockHash: null }, watching)
  return true
}

async function correct(
  standing: Standing,
  before: Execution,
  now: { execution: Execution; blockHash: Hex | null },
  watching: Watching,
): Promise<void> {
  const { memory } = watching
  const { intent } = standing
  const { execution, blockHash } = now
  if (!differs(before, execution)) {
    await amend(memory, standing, { blockHash })
    return
  }
  const number = (intent.corrected?.number ?? 0) + 1
  const recorded = await amend(memory, standing, { blockHash, corrected: { number, execution, before } })
  if (recorded) await finishBooking(recorded, watching)
}

/** Brings a recorded correction into the books, unless it is there. */
async function finishBooking(standing: Standing, watching: Watching): Promise<Standing> {
  const { corrected } = standing.intent
  if (!corrected || corrected.before === null) return standing
  const { number, execution, before } = corrected
  await bookExecution(execution, watching)
  await bookCorrection(watching.memory, { number, before, after: execution })
  const done = await amend(watching.memory, standing, { corrected: { ...corrected, before: null } })
  return done ?? standing
}

/** Another transaction has used the nonce, in a block that is final. */
async function usedUpForGood(box: Outbox, { nonce }: Slot, { rpc, head, chain }: Watching): Promise<boolean> {
  const at = toHex(Math.max(0, head - chain.finalityBlocks))
  return Number(await rpc.request<Hex>('eth_getTransactionCount', [box.address, at])) > nonce
}

/** The holder of the key may give out nonces meanwhile. */
async function shutSlot(memory: SharedMemory, chainId: number, box: Outbox, slot: Slot, used: boolean): Promise<void> {
  await update(memory, keys.outbox(chainId, box.address), OutboxSchema, (now) =>
    now?.chainInstance === box.chainInstance ? closed(now, slot, used) : undefined,
  )
}
