import type { SharedMemory } from '../../../src/ports/memory/memory.ts'
import type { ChainInfo } from '../../../src/protocol/chain.ts'
import { FleetError } from '../../../src/protocol/errors.ts'
import { keys } from '../../../src/protocol/keys.ts'
import type { Execution } from '../../../src/protocol/trade.ts'
import type { Hex } from '../../../src/protocol/units.ts'
import type { Rpc } from '../../dex/rpc.ts'
import { atEachHead } from '../../dex/state/each-head.ts'
import { knowsAny, receiptOfAny } from '../../dex/trade/send.ts'
import type { Submitter } from '../../dex/trade/submit.ts'
import type { StageResult } from '../../role.ts'
import { headNumber, lettingGo } from '../chain-reads.ts'
import { book, entryOf } from './account.ts'
import { readHalt } from './halt.ts'
import { amend, hashesOf, type Intent, liveOf, readIntent, type Standing } from './intent.ts'
import { judged, missed } from './judge.ts'

export interface Sending {
  rpc: Rpc
  chain: ChainInfo
  memory: SharedMemory
  submitter: Submitter
  signal: AbortSignal
}

/** What waits in a pool past its deadline may still cost gas: blocks to wait for that before the trade is called missed. */
export const LATE_BLOCKS = 2

/**
 * Waits until one transaction of an intent is in a block, or none can succeed any more, and records what came of it. The
 * first inclusion settles it: whether that stays is watched beside (finality.ts).
 */
export async function settle({ intent }: Standing, sending: Sending): Promise<StageResult<'execute'>> {
  const { rpc, memory, signal } = sending
  const settled = await lettingGo(
    atEachHead(rpc, signal, async () => {
      for (;;) {
        const standing = await readIntent(memory, intent.opportunityId, intent.attempt)
        if (!standing) throw gone(intent)
        if (standing.intent.state === 'done') return standing.intent
        const found = await cameTo(standing.intent, sending)
        if (!found) return undefined
        // Undefined: another has signed or settled meanwhile, which is then read.
        const done = await close(standing, found, sending)
        if (done) return done.intent
      }
    }),
    signal,
  )
  return resultOf(settled)
}

interface Found {
  execution: Execution
  blockHash: Hex | null
}

/** What an intent that was signed came to; undefined while that is open. */
export async function cameTo(intent: Intent, { rpc, submitter }: Sending): Promise<Found | undefined> {
  // The head first: a receipt that is missing after it was missing in that block too.
  const head = await headNumber(rpc)
  const receipt = await receiptOfAny(rpc, hashesOf(intent))
  if (receipt) return { execution: await judged(rpc, intent, receipt), blockHash: receipt.blockHash }
  const reason = head < intent.deadlineBlock ? undefined : await whyMissed(intent, head, rpc, submitter)
  return reason === undefined ? undefined : { execution: missed(intent, reason), blockHash: null }
}

async function whyMissed(intent: Intent, head: number, rpc: Rpc, submitter: Submitter): Promise<string | undefined> {
  const { signed, deadlineBlock } = intent
  if (!liveOf(intent)) return `it was not taken by the ${submitter.name}: ${signed.at(-1)?.refused ?? 'never sent'}`
  const late = `it was not mined by block ${deadlineBlock}`
  if (head >= deadlineBlock + LATE_BLOCKS) return late
  if (await mayWait(intent, head, rpc, submitter)) return undefined
  return `${late}, and the ${submitter.name} does not hold it`
}

/** Whether the last transaction of an intent that was taken waits somewhere, as far as can be seen. */
export async function mayWait(
  intent: Pick<Intent, 'signed' | 'deadlineBlock'>,
  head: number,
  rpc: Rpc,
  submitter: Submitter,
): Promise<boolean> {
  const live = liveOf(intent)
  if (!live) return false
  if (submitter.visible) return knowsAny(rpc, [live.hash])
  return !(submitter.expires && live.kind === 'trade' && head >= intent.deadlineBlock)
}

/** Books it and records it, in this order: dying in between books it again, which changes nothing. */
export async function close(standing: Standing, found: Found, sending: Sending): Promise<Standing | undefined> {
  await bookExecution(found.execution, sending)
  return amend(sending.memory, standing, { state: 'done', ...found })
}

export async function bookExecution(
  execution: Execution,
  { memory, chain }: Pick<Sending, 'memory' | 'chain'>,
): Promise<void> {
  if (execution.from === null) return
  const { at } = await readHalt(memory)
  await book(memory, keys.account(chain.chainId, execution.from), entryOf(execution, at))
}

export function resultOf({ outcome, reason, execution }: Intent): StageResult<'execute'> {
  if (!execution) return { outcome: outcome ?? 'refused', ...(reason !== null && { reason }) }
  if (execution.status === 'executed') return { outcome: 'ok', output: execution }
  return { outcome: 'failed', reason: execution.reason ?? execution.status, output: execution }
}

export const gone = ({ opportunityId }: Pick<Intent, 'opportunityId'>): FleetError =>
  new FleetError('conflict', `the intent of ${opportunityId} has gone from shared memory`, {
    remedy: 'Look at executions with execution_status before the fleet goes on.',
    transient: true,
  })
