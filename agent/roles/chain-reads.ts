import { setTimeout as pause } from 'node:timers/promises'
import { FleetError } from '../../src/protocol/errors.ts'
import { type Address, type Hex, type Raw, type Wei, wei } from '../../src/protocol/units.ts'
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

/** A token's amount in native units; only the wrapped native token has a rate (1) so far, and planners refuse others. */
export function inNative(amount: Raw, token: Address, weth: Address | null): Wei {
  if (token === weth) return wei(amount)
  throw new FleetError('unsupported', `${token} is not the wrapped native token: its worth is not known`, {
    remedy: 'Trade cycles through the wrapped native token only.',
  })
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
