import type { SharedMemory } from '../../src/ports/memory/memory.ts'
import { readAs } from '../../src/ports/memory/typed.ts'
import type { ChainInfo } from '../../src/protocol/chain.ts'
import { asFleetError, FleetError } from '../../src/protocol/errors.ts'
import { HaltSchema, type Limits } from '../../src/protocol/fleet.ts'
import { keys } from '../../src/protocol/keys.ts'
import { now } from '../../src/protocol/schemas.ts'
import type { Execution, Verdict } from '../../src/protocol/trade.ts'
import { type Address, gasUnits, type Hex, raw, wei } from '../../src/protocol/units.ts'
import { decodeExecuted } from '../dex/build.ts'
import type { RpcReceipt } from '../dex/chain-types.ts'
import { RpcError } from '../dex/rpc/error.ts'
import type { Rpc } from '../dex/rpc.ts'
import { readAccount, readHead, sendRaw, signAndHash, waitForReceipt } from '../dex/send.ts'
import type { StageResult } from '../role.ts'
import { inNative, lettingGo, reached } from './chain-reads.ts'
import { amend, type Intent, readIntent, type Standing } from './intent.ts'
import type { Held, Signer } from './signer.ts'

/** Money leaves here, and nowhere else. */

type Result = StageResult<'execute'>

/** What the pool took too late for its deadline is mined all the same, reverts and costs gas: blocks to wait for that. */
const LATE_BLOCKS = 2

/** What is paid above the base fee. The bid that decides the place in a block is the fee limit, which is not what is paid. */
export const PRIORITY_FEE_WEI = 100_000_000n

export interface Sending {
  rpc: Rpc
  chain: ChainInfo
  memory: SharedMemory
  verdict: Verdict
  signal: AbortSignal
}

export interface Signing extends Sending {
  held: Held
  signer: Signer
  limits: Limits
}

/**
 * Signs and sends what was just decided, and waits for what comes of it. Whatever is thrown leaves an intent behind that
 * the next delivery resolves.
 */
export async function sendOnce(decided: Standing, signing: Signing): Promise<Result> {
  // Nobody else uses the key until the node's pool has the transaction: the next nonce is the one after it.
  const sent = await signing.signer.exclusive(() => signAndSend(decided, signing))
  if (!sent) return resolveAgain(decided, signing)
  return 'refused' in sent ? settle(sent, signing) : resultOf(sent.intent)
}

interface Sent extends Standing {
  /** Why the node's pool did not take it, if it said so. */
  refused: string | null
}

/** Halt is read last; the signed bytes are recorded before they leave. Undefined: another has changed the intent. */
async function signAndSend(decided: Standing, signing: Signing): Promise<Sent | Standing | undefined> {
  const { memory, held, signer, verdict, rpc, limits } = signing
  // A transaction of ours that was missed still waits in the pool: then this one comes behind it.
  const { pendingNonce: nonce } = await readAccount(rpc, held.address)
  if (!(await signer.renew(held))) throw lostKey()
  const halted = await haltReason(memory)
  if (halted !== undefined) {
    return amend(memory, decided, { state: 'refused', outcome: 'refused', reason: halted })
  }
  const signed = signAndHash(held.key, {
    chainId: held.chainId,
    nonce,
    to: verdict.tx.to,
    data: verdict.tx.data,
    gasLimit: verdict.tx.gasLimit,
    maxFeePerGasWei: limits.maxFeePerGasWei,
    maxPriorityFeePerGasWei: wei(PRIORITY_FEE_WEI),
  })
  const recorded = await amend(memory, decided, { state: 'sent', nonce, hash: signed.hash, raw: signed.raw })
  return recorded && send(recorded, rpc)
}

/** Sends the recorded bytes (again). What the pool refuses may be in a block all the same: the receipt will tell. */
async function send(standing: Standing, rpc: Rpc): Promise<Sent> {
  const { raw: bytes, hash } = standing.intent
  if (bytes === null || hash === null) throw unsigned(standing.intent)
  const refused = await sendRaw(rpc, { raw: bytes, hash }).then(
    () => null,
    (thrown: unknown) => (thrown instanceof RpcError ? thrown.message : Promise.reject(thrown)),
  )
  return { ...standing, refused }
}

/** Finds out what became of an attempt that was decided before. Never signs. */
export async function resolve(standing: Standing, sending: Sending): Promise<Result> {
  const { intent } = standing
  switch (intent.state) {
    case 'refused':
    case 'done':
      return resultOf(intent)
    case 'sent':
      return settle(await send(standing, sending.rpc), sending)
    case 'intended': {
      // Whoever intended it may be about to sign: until the deadline it is his.
      await reached(sending.rpc, intent.deadlineBlock, sending.signal)
      const execution = missed(intent, sending.verdict, 'it was intended but not sent')
      const done = await amend(sending.memory, standing, { state: 'done', execution })
      return done ? resultOf(done.intent) : resolveAgain(standing, sending)
    }
    default:
      return intent.state satisfies never
  }
}

async function resolveAgain({ intent }: Standing, sending: Sending): Promise<Result> {
  const standing = await readIntent(sending.memory, intent.opportunityId, intent.attempt)
  if (standing) return resolve(standing, sending)
  throw new FleetError('conflict', `the intent of ${intent.opportunityId} has gone from shared memory`, {
    remedy: 'Look at executions with execution_status before the fleet goes on.',
    transient: true,
  })
}

/** Waits until the transaction is in a block or can no longer be, and records what came of it. */
async function settle(sent: Sent, sending: Sending): Promise<Result> {
  const { rpc, signal, memory } = sending
  const { hash, deadlineBlock } = sent.intent
  const head = Number((await readHead(rpc)).number)
  const until = sent.refused === null ? Math.max(deadlineBlock, head) + LATE_BLOCKS : deadlineBlock
  const receipt = await lettingGo(waitForReceipt(rpc, hash as Hex, until, signal), signal)
  const execution = receipt
    ? mined(sent.intent, sending, receipt)
    : missed(sent.intent, sending.verdict, sent.refused ?? `it was not mined by block ${deadlineBlock}`)
  const done = await amend(memory, sent, { state: 'done', execution })
  return done ? resultOf(done.intent) : resolveAgain(sent, sending)
}

function mined(intent: Intent, { verdict, chain }: Sending, receipt: RpcReceipt): Execution {
  const contract = chain.executor?.address as Address
  const done = receipt.status === '0x1' ? decodeExecuted(receipt.logs, contract) : undefined
  const executed = done?.opportunityId === intent.opportunityId
  const profitRaw = executed ? done.profitRaw : raw(0n)
  const gasUsed = gasUnits(BigInt(receipt.gasUsed))
  return {
    ...common(intent, verdict),
    status: executed ? 'executed' : 'reverted',
    block: Number(receipt.blockNumber),
    profitRaw,
    profitWei: inNative(profitRaw, verdict.tx.plan.token, chain.weth),
    gasUsed,
    gasWei: wei(gasUsed * BigInt(receipt.effectiveGasPrice)),
    reason: executed ? null : `it reverted in block ${Number(receipt.blockNumber)}`,
  }
}

const missed = (intent: Intent, verdict: Verdict, reason: string): Execution => ({
  ...common(intent, verdict),
  status: 'missed',
  block: null,
  profitRaw: raw(0n),
  profitWei: wei(0n),
  gasUsed: gasUnits(0n),
  gasWei: wei(0n),
  reason,
})

const common = ({ opportunityId, chainInstance, attempt, hash, from }: Intent, { tx, predictedWei }: Verdict) => ({
  opportunityId,
  chainInstance,
  attempt,
  tx: hash as Hex | null,
  from,
  token: tx.plan.token,
  predictedWei,
  at: now(),
})

function resultOf({ outcome, reason, execution }: Intent): Result {
  if (!execution) return { outcome: outcome ?? 'refused', ...(reason !== null && { reason }) }
  if (execution.status === 'executed') return { outcome: 'ok', output: execution }
  return { outcome: 'failed', reason: execution.reason ?? execution.status, output: execution }
}

/** Why nothing may be signed now. What cannot be read, or was never written, counts as set. */
export async function haltReason(memory: SharedMemory): Promise<string | undefined> {
  try {
    const halt = (await readAs(memory, keys.halt, HaltSchema))?.value
    if (!halt) return 'halted: the switch is absent, which counts as set'
    return halt.set ? `halted: ${halt.reason ?? `set by ${halt.by}`}` : undefined
  } catch (thrown) {
    return `halted: the switch cannot be read (${asFleetError(thrown).message})`
  }
}

const lostKey = (): FleetError =>
  new FleetError('conflict', 'the lease of the signing key was lost before anything was signed', {
    remedy: 'Nothing: the attempt counts as missed, and is mended.',
    transient: true,
  })

const unsigned = ({ opportunityId }: Intent): FleetError =>
  new FleetError('internal', `the intent of ${opportunityId} says sent and holds no transaction`, {
    remedy: 'Report it, with the output of execution_status.',
    transient: true,
  })
