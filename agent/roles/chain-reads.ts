import { setTimeout as pause } from 'node:timers/promises'
import { FleetError } from '../../src/protocol/errors.ts'
import type { TradePlan } from '../../src/protocol/trade.ts'
import { type Hex, type Raw, raw, type Wei, wei } from '../../src/protocol/units.ts'
import type { RpcBlock } from '../dex/chain-types.ts'
import type { Rpc } from '../dex/rpc.ts'

export async function headNumber(rpc: Rpc): Promise<number> {
  return Number(await rpc.request<Hex>('eth_blockNumber'))
}

/** Most that the next block can ask per gas: a base fee rises by an eighth at most. 1 on chains without one. */
export function nextBaseFee({ baseFeePerGas }: Pick<RpcBlock, 'baseFeePerGas'>): bigint {
  const now = BigInt(baseFeePerGas ?? '0x0')
  return now + now / 8n + 1n
}

/**
 * An amount of a plan's token in native units, rounded down: at the rate that the plan's own expected profit was counted
 * with, so that promise and outcome are told at one rate. 0 for a plan that expects nothing.
 */
export function inNative(
  amount: bigint,
  { expectedProfitRaw, expectedProfitWei }: Pick<TradePlan, 'expectedProfitRaw' | 'expectedProfitWei'>,
): Wei {
  return wei(expectedProfitRaw > 0n ? (amount * expectedProfitWei) / expectedProfitRaw : 0n)
}

/** The reverse, rounded up: what of the plan's token pays for so much of the native one. */
export function inToken(
  amount: bigint,
  { expectedProfitRaw, expectedProfitWei }: Pick<TradePlan, 'expectedProfitRaw' | 'expectedProfitWei'>,
): Raw {
  if (expectedProfitWei <= 0n) return raw(0n)
  return raw((amount * expectedProfitRaw + expectedProfitWei - 1n) / expectedProfitWei)
}

const LOOK_MS = 50

/** Waits for a block to be reached. @throws FleetError `timeout` (transient) when the signal aborts */
export async function reached(rpc: Rpc, block: number, signal: AbortSignal): Promise<void> {
  const wait = async (): Promise<void> => {
    while ((await headNumber(rpc)) < block) await pause(LOOK_MS, undefined, { signal })
  }
  await lettingGo(wait(), signal)
}

/** What is thrown because the signal aborted, as the error that returns the task to the queue. */
export async function lettingGo<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (!signal.aborted) throw cause
    throw new FleetError('timeout', 'the agent let go of the task while it waited for a block', {
      remedy: 'Nothing: another agent takes it up where it stands.',
      transient: true,
    })
  }
}
